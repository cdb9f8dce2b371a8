"""The operators that DeepSpeed compiles just in time, compiled once a node before any worker asks for them."""

import os
import sys
from importlib.metadata import version
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from filelock import FileLock

from launcher.cluster.machine import cpu_flags

OPERATOR, STAMP = "deepspeed_shm_comm", "launcher-built"


def choose_accelerator(device: str) -> None:
    """Tell DeepSpeed, before its first import, where it runs ("cpu" or "cuda") and with which ninja it compiles.

    The one beside this Python goes first: another version would take its build log for its own and build anew.
    """
    os.environ["DS_ACCELERATOR"] = device
    own = str(Path(sys.executable).parent)
    if os.environ["PATH"].split(os.pathsep)[0] != own:
        os.environ["PATH"] = os.pathsep.join((own, os.environ["PATH"]))


def build_ops(device: str) -> None:
    """Compile what ZeRO needs on this node, unless it is there already.

    A kill in the middle of a build leaves a lock that later processes await for ever, so builders take turns under
    one that dies with its process, and clear a leftover first. On a GPU, ZeRO runs on what PyTorch brings.
    """
    choose_accelerator(device)
    if device != "cpu" or ops_are_built():
        return
    from deepspeed.ops.op_builder.cpu import ShareMemCommBuilder

    builder, folder = ShareMemCommBuilder(), _folder()
    assert builder.name == OPERATOR
    with FileLock(f"{folder}.build-lock"):
        (folder / "lock").unlink(missing_ok=True)
        builder.load(verbose=False)
        (folder / STAMP).write_bytes(_stamp(folder))


def ops_are_built() -> bool:
    """Whether what ZeRO needs on this machine's CPUs is there, found without importing DeepSpeed.

    The stamp names the very file, as another Python environment builds into the same folder.
    """
    folder = _folder()
    try:
        return (folder / STAMP).read_bytes() == _stamp(folder)
    except FileNotFoundError:
        return False


def use_built_ops() -> None:
    """Hand DeepSpeed the operator that is known to be built, in this process.

    It would ask ninja for it in every rank, under a lock that the builder of another run takes for a leftover.
    """
    from deepspeed.ops.op_builder.builder import OpBuilder

    if OPERATOR in OpBuilder._loaded_ops or not ops_are_built():
        return
    spec = spec_from_file_location(OPERATOR, _library(_folder()))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    OpBuilder._loaded_ops[OPERATOR] = module


def _folder() -> Path:
    from torch.utils.cpp_extension import _get_build_directory

    return Path(_get_build_directory(OPERATOR, verbose=False))


def _library(folder: Path) -> Path:
    return folder / f"{OPERATOR}.so"


def _stamp(folder: Path) -> bytes:
    """What an operator was compiled from and for, and when."""
    versions = [f"{name} {version(name)}" for name in ("deepspeed", "torch", "ninja")]
    made = _library(folder).stat()
    return "\n".join((*versions, sys.prefix, " ".join(sorted(cpu_flags())), str(made.st_mtime_ns))).encode()


if __name__ == "__main__":
    build_ops("cpu")
