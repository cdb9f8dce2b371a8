"""How often a driver goes on by itself after an attempt that did not end well."""

from pydantic import NonNegativeInt

from launcher.recipe.section import Section


class Retries(Section):
    """Counted from the journal, so they hold for later drivers too; a start after a run that gave up counts anew."""

    crashes: NonNegativeInt = 10
    """New attempts after ones that failed, or were killed, by themselves. Two in a row that fail without a new commit,
    or alike at the same step, end the run whatever this says."""
    same_host: NonNegativeInt = 2
    """Failures of one machine of several, after which the run goes on without it."""
    interruptions: NonNegativeInt | None = None
    """New attempts after a time limit, a preemption or a drain; null is without a bound."""
