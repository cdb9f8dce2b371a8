"""How long ahead an interruption has to be told for the step of that moment to be committed."""

STEPS = 2
"""The notice may come just after a step's agreement was asked for: then that step ends, and the next one too."""
MARGIN_S = 5.0
"""For the word to reach the ranks, the journal's entry, and the end of the processes."""


def lead_s(step_s: float, stall_s: float, upload_s: float) -> float:
    """Seconds to ask of a scheduler.

    Args:
        step_s: Of one step.
        stall_s: In which the loop waits for a snapshot.
        upload_s: From the snapshot to the commit.
    """
    return STEPS * step_s + stall_s + upload_s + MARGIN_S
