"""Random numbers keyed by what is computed, so that none need be stored and no rank count changes them."""

import hashlib

import torch


def seed_micro_batch(seed: int, step: int, first_row: int) -> None:
    """Seed dropout for the micro-batch of `step` that starts with row `first_row`."""
    key = hashlib.blake2b(f"{seed}/{step}/{first_row}".encode(), digest_size=8).digest()
    torch.manual_seed(int.from_bytes(key, "little", signed=True))
