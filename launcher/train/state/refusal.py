"""Which optimisers cannot be resumed, told before anything is trained."""

import re


def state_refusal(optim: str, strategy: str) -> str | None:
    """Why a run of this optimiser and strategy could not be resumed, with the mend; None where it can.

    Args:
        strategy: The strategy's key in the table of what is possible, such as `zero2+optimizer`.
    """
    if optim.endswith("8bit") and re.match("zero[123]", strategy):
        return (
            f"{optim} + {strategy} is refused: its states are quantised in blocks of 256, which ZeRO lays across "
            "parameters, so that no other number of GPUs could resume them; use strategy.kind ddp, or paged_adamw_32bit"
        )
    return None
