"""Verbs that ask models: about new texts, and about test rows."""

import argparse
import json
from typing import TYPE_CHECKING

from launcher.cli.arguments import RUN_HELP, Verbs, add_json, tell
from launcher.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from launcher.evaluate.predict import Answers

ASKED = f"{RUN_HELP}; with --recipe a model or adapter: folder, URL or hub id"


def add_verbs(verbs: Verbs) -> None:
    predicting = verbs.add("predict", predict, "ask a run's base and tuned model, or a model, about texts")
    predicting.add_argument("run", metavar="RUN|MODEL", help=ASKED)
    predicting.add_argument(
        "texts", metavar="TEXT", nargs="*", default=[], help="without any, lines of --file or of standard input"
    )
    predicting.add_argument(
        "--file", metavar="FILE", help="a text a line, or a .csv, .tsv, .jsonl, .json, .parquet or .arrow with the "
        "columns that the recipe reads; - is standard input"
    )  # fmt: skip
    predicting.add_argument("--recipe", metavar="RECIPE", help="ask a model or adapter as this recipe does")
    predicting.add_argument("--commit", metavar="STEP", type=int, help="ask what a run had learnt after this step")
    _add_writing(predicting, "write up to N tokens freely instead of choosing a label")
    as_what = predicting.add_mutually_exclusive_group()
    add_json(as_what)
    as_what.add_argument("--csv", action="store_true", help="print CSV")

    evaluating = verbs.add("evaluate", evaluate, "score a run's base and tuned model, or a model, on test rows")
    evaluating.add_argument("run", metavar="RUN|MODEL", help=ASKED)
    evaluating.add_argument(
        "overrides", metavar="KEY=VALUE", nargs="*", default=[], help="other rows, such as data.test.url=more.csv"
    )
    evaluating.add_argument("--recipe", metavar="RECIPE", help="score a model or adapter on this recipe's test rows")
    evaluating.add_argument("--limit", type=int, metavar="N", help="take the first N test rows only")
    _add_writing(evaluating, "let it write too, up to N tokens a row")
    evaluating.add_argument("--to", metavar="FILE", help="keep what was written, a JSON object a line")
    evaluating.add_argument("--keep", action="store_true", help="keep it in the run directory, for report and compare")
    add_json(evaluating)


def _add_writing(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--generate", type=int, metavar="N", help=what)
    parser.add_argument(
        "--together", type=int, metavar="N", default=1, help="write after N prompts at once: faster, and now and then "
        "another word (default: 1)"
    )  # fmt: skip


def predict(chosen: argparse.Namespace) -> int:
    from launcher.recipe.load import load_recipe

    if chosen.recipe is not None and chosen.commit is not None:
        raise InvalidInput("--commit: a model that stands alone has no commits; leave out --commit or --recipe")
    recipe = None if chosen.recipe is None else load_recipe(chosen.recipe, [])
    _quieten()
    from launcher.evaluate.asked import asked_rows
    from launcher.evaluate.contenders import of_model, of_run
    from launcher.evaluate.predict import classify, generate
    from launcher.evaluate.rescore import How

    how = How(generate=chosen.generate, together=chosen.together)
    asked = of_run(chosen.run, tell, step=chosen.commit) if recipe is None else of_model(chosen.run, recipe)
    with asked as field:
        rows = asked_rows(chosen.texts, chosen.file, field.recipe)
        answers = classify(field, rows) if how.generate is None else generate(field, rows, how.generate, how.together)
    _print(answers, chosen)
    return 0


def _print(answers: "Sequence[Answers]", chosen: argparse.Namespace) -> None:
    if chosen.json:
        print(json.dumps([each.to_dict() for each in answers], indent=1, ensure_ascii=False))
        return
    if chosen.csv:
        from launcher.evaluate.predict import answers_csv

        print(answers_csv(answers), end="")
        return
    for each in answers:
        print(each.text)
        for name, said in each.by_model.items():
            shares = "  ".join(f"{label} {share:.3f}" for label, share in said.probabilities.items())
            print(f"  {name:<6} {said.answer}" + (f"  ({shares})" if shares else ""))


def evaluate(chosen: argparse.Namespace) -> int:
    from launcher.recipe.load import load_recipe

    _refuse_keeping(chosen)
    recipe = None if chosen.recipe is None else load_recipe(chosen.recipe, chosen.overrides)
    _quieten()
    from launcher.evaluate.rescore import How, evaluate_model, evaluate_run
    from launcher.evaluate.rescore_output import keep_generations, show

    how = How(chosen.limit, chosen.generate, chosen.together)
    if recipe is None:
        found = evaluate_run(chosen.run, chosen.overrides, how, tell)
    else:
        found = evaluate_model(chosen.run, recipe, how)
    keep_generations(found, chosen.run if chosen.keep else None, chosen.to)
    if chosen.json:
        print(json.dumps(found.to_dict(), indent=1))
    else:
        show(found)
    return 0


def _refuse_keeping(chosen: argparse.Namespace) -> None:
    """Raises InvalidInput where nothing is written that could be kept, or it is not the run's."""
    for flag, given in (("--to", chosen.to is not None), ("--keep", chosen.keep)):
        if given and chosen.generate is None:
            raise InvalidInput(f"{flag}: nothing is written that could be kept; give --generate N too")
    if chosen.keep and (chosen.recipe is not None or chosen.overrides):
        raise InvalidInput(
            "--keep: a run keeps what it wrote after its own test rows; leave out --recipe and KEY=VALUE"
        )


def _quieten() -> None:
    from launcher.cluster.machine import this_machine
    from launcher.model.quiet import quiet_libraries

    quiet_libraries("cuda" if this_machine().gpus else "cpu")
