"""The operators that DeepSpeed compiles just in time, compiled once a node before any worker asks for them."""

import os
import sys
from pathlib import Path

from filelock import FileLock


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
    if device != "cpu":
        return
    from deepspeed.ops.op_builder.cpu import ShareMemCommBuilder
    from torch.utils.cpp_extension import _get_build_directory

    builder = ShareMemCommBuilder()
    folder = Path(_get_build_directory(builder.name, verbose=False))
    with FileLock(f"{folder}.build-lock"):
        (folder / "lock").unlink(missing_ok=True)
        builder.load(verbose=False)


if __name__ == "__main__":
    build_ops("cpu")
