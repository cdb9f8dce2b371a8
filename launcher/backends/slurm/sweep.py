"""A recipe with one field in several values -> one array job, each element of which is a run of its own."""

from collections.abc import Sequence
from dataclasses import replace

from launcher.backends.backend import Backend
from launcher.backends.bad_hosts import without_bad_hosts
from launcher.backends.slurm.render import ELEMENT, render
from launcher.backends.slurm.slurm import SlurmBackend, check_text, newest_job, submit_text
from launcher.backends.submission import Submission, write_submission
from launcher.errors import InvalidInput

MOST = 1000


def values_of(sweep: str) -> list[str]:
    """`key=a,b,c` -> the overrides `key=a`, `key=b` and `key=c`.

    Raises:
        InvalidInput: there are no two values.
    """
    key, equals, values = sweep.partition("=")
    each = [f"{key}={value}" for value in values.split(",")]
    if not equals or not key or not 2 <= len(each) <= MOST or len(set(each)) < len(each):
        raise InvalidInput(f"--sweep: {sweep!r}: expected KEY=A,B,... with 2 to {MOST} values that differ")
    return each


def sweep_text(submissions: Sequence[Submission]) -> str:
    """The batch script of the runs of a sweep, which differ in their recipes and numbers."""
    return render(_any_of(submissions), len(submissions))


def submit_sweep(backend: Backend, submissions: Sequence[Submission]) -> str:
    """Write every run directory, and submit one job for all; returns its number.

    Raises:
        InvalidInput: the profile is not of Slurm, the sweep is there already, or Slurm refuses it.
    """
    if not isinstance(backend, SlurmBackend):
        raise InvalidInput(f"--sweep: {backend.profile.backend} has no array jobs; submit one run a value")
    submissions = [without_bad_hosts(each) for each in submissions]
    whole = _any_of(submissions)
    name = whole.run_id.removesuffix(f"-{ELEMENT}")
    if newest_job(f"{name}-0") is not None:
        raise InvalidInput(f"--run-id: Slurm still has a sweep {name}; give another id")
    check_text(backend.profile, whole.run_id, render(whole, len(submissions)))
    numbers = {write_submission(each).number for each in submissions}
    if len(numbers) != 1:
        raise InvalidInput(f"--run-id: {name} was begun with several profiles; give another id")
    numbered = replace(whole, number=numbers.pop())
    return submit_text(backend.profile, numbered, render(numbered, len(submissions)))


def _any_of(submissions: Sequence[Submission]) -> Submission:
    """One submission that stands for all, with `%a` for the number."""
    first = submissions[0]
    assert first.run_id.endswith("-0"), first.run_id
    stem, url = first.run_id.removesuffix("0"), first.run_url.removesuffix("0")
    lead = max((each.lead_s for each in submissions if each.lead_s is not None), default=None)
    return replace(first, run_id=f"{stem}{ELEMENT}", run_url=f"{url}{ELEMENT}", lead_s=lead)
