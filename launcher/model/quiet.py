"""Libraries that talk while they are imported or used, told to keep to warnings that matter."""

import logging
import os


def quiet_libraries(device: str) -> None:
    """Silence progress bars and greetings in this process; call before transformers is used.

    DeepSpeed, which transformers imports where it is installed, says on import which device it guessed: so it is
    told ("cpu" or "cuda"). bitsandbytes regrets a kernel for inference that training does not use.
    """
    os.environ.setdefault("DS_ACCELERATOR", device)
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
