"""A submission -> the text that sbatch takes: a pure function."""

import shlex
from collections.abc import Sequence
from math import ceil

from launcher import __version__
from launcher.backends.pasted import refuse_told_secrets, refuse_variables
from launcher.backends.submission import Submission
from launcher.cluster.slurm import Container, Slurm
from launcher.recipe.shipped import shipped_folder

TEMPLATE = "train.sbatch.j2"
ELEMENT = "%a"
"""Stands in a run's id and address for the number of an element of a sweep; the agent puts it in."""
UNPLANNED_LEAD_S = 60
"""Where the plan does not know how long a step and a commit take."""
SIGNAL_MAX_S = 65_535


def render(submission: Submission, elements: int | None = None) -> str:
    """The batch script of a submission, whose profile is one of Slurm with an absolute folder.

    Args:
        elements: Of a sweep: each is a run of its own, and `%a` in the submission stands for its number, from 0.

    Raises:
        InvalidInput: the environment holds what everyone could read and may not, or what Ray would change.
    """
    from jinja2 import Environment, StrictUndefined

    profile = submission.profile
    assert isinstance(profile, Slurm)
    refuse_told_secrets(profile.environment, profile.storage)
    refuse_variables(profile.environment)
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True, autoescape=False)
    environment.filters["quote"] = shlex.quote
    template = environment.from_string((shipped_folder("slurm") / TEMPLATE).read_text())
    return template.render(
        about=f"Run {submission.run_id}, rendered by llama-launcher {__version__}; what it starts: docs/slurm.md",
        options=_options(submission, profile, elements),
        setup=profile.setup,
        environment=sorted(profile.environment.items()),
        folder=profile.folder,
        srun=[_word(word) for word in _srun(profile)],
        command=[shlex.quote(word) for word in _command(submission.arguments, profile)],
        requeue=profile.requeue,
    )


def step(profile: Slurm, arguments: Sequence[str]) -> list[str]:
    """The words that start an agent on each node of an allocation, and the launcher with some arguments on the first.

    Args:
        arguments: After the program's name; `--cluster` is among them.
    """
    return ["srun", *_srun(profile), *_command(arguments, profile)]


def lead_s(submission: Submission) -> int:
    """Seconds before its time limit at which Slurm is asked to warn a job.

    It looks at jobs every 30 s, and warns those that would be late at the next look: up to 30 s sooner, and never later
    (`job_time_limit` of slurmctld's job_mgr.c).
    """
    assert isinstance(submission.profile, Slurm)
    asked = submission.profile.lead_seconds or submission.lead_s or UNPLANNED_LEAD_S
    return min(ceil(asked), SIGNAL_MAX_S)


def output_folder(profile: Slurm, run_id: str) -> str:
    """Where the output of a run's jobs goes."""
    return f"{profile.folder}/output/{run_id.removesuffix(f'-{ELEMENT}')}"


def _options(submission: Submission, profile: Slurm, elements: int | None) -> list[str]:
    """Lines of #SBATCH; what a profile leaves out is the cluster's to choose."""
    name = submission.run_id.removesuffix(f"-{ELEMENT}")
    output = "%j.out" if elements is None else "%A_%a.out"
    chosen = {
        "job-name": name,
        "nodes": profile.nodes + profile.spares,
        "ntasks-per-node": 1,
        "cpus-per-task": profile.cpus_per_node,
        "gres": _gres(profile),
        "mem": profile.memory,
        "time": profile.time,
        "partition": profile.partition,
        "account": profile.account,
        "qos": profile.qos,
        "constraint": profile.constraint,
        "reservation": profile.reservation,
        "exclude": profile.exclude,
        "array": None if elements is None else f"0-{elements - 1}",
        "signal": f"B:USR2@{lead_s(submission)}",
        "open-mode": "append",
        "output": f"{output_folder(profile, submission.run_id)}/{output}",
    }
    flags = ["--requeue" if profile.requeue else "--no-requeue", *(["--exclusive"] if profile.exclusive else [])]
    lines = [f"--{name}={_word(str(value))}" for name, value in chosen.items() if value is not None]
    return [*lines, *flags, *profile.options]


def _srun(profile: Slurm) -> list[str]:
    """One step with one agent a node. Since 22.05 srun reads neither cores nor GPUs from the job by itself.

    `--unbuffered` is left out, as it gives tasks a terminal, which programs then draw on.
    """
    nodes = profile.nodes + profile.spares
    words = [f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", f"--cpus-per-task={profile.cpus_per_node}"]
    gres = _gres(profile)
    if gres is not None:
        words.append(f"--gres={gres}")
    words += ["--mem=0", "--cpu-bind=none", "--kill-on-bad-exit=0"]
    if profile.container is not None and profile.container.kind == "pyxis":
        words += _pyxis(profile.container, profile)
    return words


def _command(arguments: Sequence[str], profile: Slurm) -> list[str]:
    agent = [profile.python, "-m", "launcher.backends.slurm.agent", profile.folder, "--", *arguments]
    container = profile.container
    return agent if container is None or container.kind == "pyxis" else [*_apptainer(container, profile), *agent]


def _gres(profile: Slurm) -> str | None:
    if not profile.gpus_per_node:
        return None
    return ":".join(filter(None, ("gpu", profile.gres_type, str(profile.gpus_per_node))))


def _mounts(container: Container, profile: Slurm) -> list[str]:
    """What the image sees: the folder of the jobs, the runs where they are files, and what the profile says."""
    own = [profile.folder, *([] if "://" in profile.storage else [profile.storage])]
    return [*(f"{path}:{path}" for path in own), *container.mounts]


def _pyxis(container: Container, profile: Slurm) -> list[str]:
    mounts = ",".join(_mounts(container, profile))
    return [f"--container-image={container.image}", f"--container-mounts={mounts}", "--no-container-mount-home"]


def _apptainer(container: Container, profile: Slurm) -> list[str]:
    mounts = _mounts(container, profile)
    gpus = ["--nv"] if profile.gpus_per_node else []
    return ["apptainer", "exec", *gpus, *(word for mount in mounts for word in ("--bind", mount)), container.image]


def _word(text: str) -> str:
    """Quoted where a shell, or sbatch's own reader of its lines, would take it apart."""
    return shlex.quote(text) if set(text) & set(" \t'\"\\$`;&|<>()*?[]#~!") else text
