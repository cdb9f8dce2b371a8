"""Verbs about runs on other machines: submitted, followed and ended from here."""

import argparse
import dataclasses
import json

from launcher.cli.arguments import Verbs, add_json, add_recipe, add_run, load, tell

CLUSTER_HELP = "the cluster profile to look with (default: the one that the run was submitted with)"


def add_verbs(verbs: Verbs) -> None:
    submitting = verbs.add("submit", submit, "submit a recipe to the cluster that a profile describes")
    add_recipe(submitting)
    submitting.add_argument("--run-id", metavar="ID", help="name of run and job (default: made from recipe and time)")
    submitting.add_argument(
        "--sweep", metavar="KEY=A,B,...", help="one run for each value of a field, together one array job (Slurm)"
    )
    submitting.add_argument("--render", action="store_true", help="only print what would be submitted")
    submitting.add_argument(
        "--takeover", action="store_true", help="the attempt that has this run has ended, though it could not say so"
    )
    submitting.add_argument(
        "--allow-recipe-change", metavar="FIELD", action="append", default=[], help="as for launcher run"
    )

    following = verbs.add("status", status, "show what the scheduler and the journal say of a submitted run")
    _add_submitted(following)
    add_json(following)

    printing = verbs.add("logs", logs, "print what a submitted run's driver printed")
    _add_submitted(printing)
    printing.add_argument("-f", "--follow", action="store_true", help="go on until the job ends")

    cancelling = verbs.add("cancel", cancel, "end a submitted run's job at once, without a commit")
    _add_submitted(cancelling)

    listing = verbs.add("runs", runs, "list the runs below a storage root")
    listing.add_argument("storage", metavar="URL", nargs="?", help="a storage root (default: the profile's)")
    listing.add_argument("--cluster", metavar="PROFILE", help="take this profile's storage (default: local)")
    add_json(listing)


def _add_submitted(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("--cluster", metavar="PROFILE", help=CLUSTER_HELP)


def submit(chosen: argparse.Namespace) -> int:
    if chosen.sweep is not None:
        return _submit_sweep(chosen)
    recipe, profile = load(chosen)
    from launcher.backends.submit import plan_submission
    from launcher.backends.submit import submit as submitting
    from launcher.train.options import Options

    options = Options(chosen.run_id, chosen.takeover, tuple(chosen.allow_recipe_change))
    backend, submission = plan_submission(recipe, profile, options)
    if chosen.render:
        print(backend.render(submission), end="")
        return 0
    done = submitting(backend, submission)
    print(f"run       {done.run_url}")
    print(f"job       {done.job}")
    print(f"see       launcher status {done.run_url}")
    return 0


def _submit_sweep(chosen: argparse.Namespace) -> int:
    from launcher.backends.slurm.sweep import submit_sweep, sweep_text, values_of
    from launcher.backends.submit import plan_submission
    from launcher.train.options import Options

    written, submissions = list(chosen.overrides), []
    for number, value in enumerate(values_of(chosen.sweep)):
        chosen.overrides = [*written, value]
        recipe, profile = load(chosen)
        backend, submission = plan_submission(recipe, profile, Options(f"{chosen.run_id or recipe.name}-{number}"))
        submissions.append(submission)
    if chosen.render:
        print(sweep_text(submissions), end="")
        return 0
    job = submit_sweep(backend, submissions)
    for submission in submissions:
        print(f"run       {submission.run_url}")
    print(f"job       {job}, one element a run")
    print(f"see       launcher compare {' '.join(each.run_url for each in submissions)}")
    return 0


def status(chosen: argparse.Namespace) -> int:
    from launcher.backends.submitted import find_submitted, status_dict, status_lines

    run = find_submitted(chosen.run, chosen.cluster)
    print(json.dumps(status_dict(run), indent=1) if chosen.json else "\n".join(status_lines(run)))
    return 0


def logs(chosen: argparse.Namespace) -> int:
    from launcher.backends.submitted import find_submitted

    run = find_submitted(chosen.run, chosen.cluster)
    for line in run.backend.logs(run.run_id, follow=chosen.follow):
        print(line, flush=chosen.follow)
    return 0


def cancel(chosen: argparse.Namespace) -> int:
    from launcher.backends.submitted import find_submitted

    run = find_submitted(chosen.run, chosen.cluster)
    tell(run.backend.cancel(run.run_id))
    return 0


def runs(chosen: argparse.Namespace) -> int:
    from launcher.backends.runs import list_runs
    from launcher.cluster.load import load_profile

    found = list_runs(chosen.storage or load_profile(chosen.cluster).storage)
    if chosen.json:
        print(json.dumps([dataclasses.asdict(line) for line in found], indent=1))
        return 0
    header = ("run", "state", "attempts", "step", "last entry")
    rows = [(line.run, line.state, line.attempts, line.step, line.last) for line in found]
    cells = [header, *[["-" if cell is None else str(cell) for cell in row] for row in rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0
