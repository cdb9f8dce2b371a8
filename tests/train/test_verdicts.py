"""Failures are recognised by what real libraries raise, and each kind has a verdict."""

import errno
import importlib
import os
import resource
import subprocess
import sys

import pytest
import torch

from launcher.data.prepared.reader import CorruptBlock
from launcher.errors import InvalidInput, LauncherError, RunOwned
from launcher.storage.retry import StoreFailed
from launcher.train.rollback import Diverged
from launcher.train.verdicts import KINDS, NAMED, kind_of


def kind(error: BaseException) -> str:
    types = [each.__name__ for each in type(error).__mro__]
    return kind_of(types, " ".join(f"{type(error).__name__}: {error}".split())).name


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (RunOwned("run r is owned by attempt 2"), "owned"),
        (Diverged("rolled back 3 times"), "diverged"),
        (InvalidInput("data.train: no rows"), "user-error"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"), "gpu-memory"),
        (LauncherError("no room in host memory for a snapshot of 8 bytes a rank (ENOMEM)"), "host-memory"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "disk-full"),
        (CorruptBlock(3, "shard 1", "another checksum"), "bad-data"),
        (PermissionError("Access Denied"), "storage-refused"),
        (StoreFailed("s3://b/k: the store failed 9 times"), "storage-absent"),
        (StoreFailed("s3://b/k: An error occurred (AccessDenied) when calling PutObject"), "storage-refused"),
        (RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:1"), "collective"),
        (RuntimeError("NCCL communicator was aborted on rank 3"), "collective"),
        (ValueError("shapes do not match"), "other"),
    ],
)
def test_an_error_has_its_kind(error, name):
    assert kind(error) == name


def test_a_missing_module_is_an_import_error():
    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module("no_such_module_of_ours")
    assert kind(caught.value) == "import"


def test_a_host_without_memory_is_recognised_by_what_numpy_says():
    code = (
        "import resource, numpy\n"
        f"resource.setrlimit(resource.RLIMIT_AS, ({2 << 30}, {resource.RLIM_INFINITY}))\n"
        "try: numpy.ones(1 << 36)\n"
        "except Exception as error: print([each.__name__ for each in type(error).__mro__], '|', error)\n"
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    types, _, line = said.stdout.partition("|")
    assert kind_of([each.strip("' []") for each in types.split(",")], line).name == "host-memory"


def test_names_are_unique_and_what_needs_a_hand_has_a_mend():
    assert len(NAMED) == len(KINDS) + 2
    own_words = {"owned", "roll-back", "diverged", "hung", "user-error", "damaged-commit", "storage-absent"}
    assert {each.name for each in KINDS if not each.mend} == own_words
