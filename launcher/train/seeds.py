"""Random numbers keyed by what is computed, so that none need be stored and no rank count changes them."""

import hashlib

import torch


def seed_micro_batch(seed: int, step: int, first_row: int, device: torch.device) -> None:
    """Seed dropout for the micro-batch of `step` that starts with row `first_row`.

    As `torch.manual_seed` does, which notes a stack for every kind of device that is not there: most of what a step
    costs in Python.
    """
    key = hashlib.blake2b(f"{seed}/{step}/{first_row}".encode(), digest_size=8).digest()
    number = int.from_bytes(key, "little", signed=True)
    torch.default_generator.manual_seed(number)
    if device.type == "cuda":
        torch.cuda.manual_seed_all(number)
