"""The libraries of a rank, imported without what no run asks of them: imports are most of a start."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

ASIDE = ("boto3", "sklearn")
"""Packages that transformers and accelerate import for assisted generation and SageMaker alone."""
BITSANDBYTES = "bitsandbytes"
"""PEFT imports it where it finds it, and with it torch's compiler, though nothing is compiled."""


@contextmanager
def lean_imports(*, quantised: bool) -> Iterator[None]:
    """Import what a rank needs while this lasts: packages that it does not need are not found.

    They are found afterwards. No garbage is collected meanwhile, and what was made stays for good: modules do, but
    would be looked through again and again.
    """
    absent = [name for name in (*ASIDE, *(() if quantised else (BITSANDBYTES,))) if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # None is Python's word for it
    gc.disable()
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
        gc.freeze()
        gc.enable()
