"""A rank's state, copied aside into memory that is the file to be stored.

The memory is an anonymous file (memfd): another process reads it by its descriptor, and it goes with the last process
that holds one, however that ends.
"""

import errno
import mmap
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch

from launcher.checkpoint.fragment import Fragment
from launcher.checkpoint.pieces import SIZES, Layout, Piece, lay_out
from launcher.errors import LauncherError

Bytes = npt.NDArray[np.uint8]
Copy = tuple[Bytes, Bytes]
"""To, from; of one length."""

THREADS = 2
DTYPES = {
    torch.float64: "F64",
    torch.int64: "I64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


class Snapshot:
    """Memory for one state at a time; it is allocated at the first, and again only for one of another size."""

    def __init__(self, threads: int = THREADS) -> None:
        self.descriptor = os.memfd_create("launcher-snapshot")
        self._pool = ThreadPoolExecutor(threads, "snapshot")
        self._threads = threads
        self._memory: Bytes = np.empty(0, np.uint8)
        self._layout = lay_out([])

    def take(self, fragments: Sequence[Fragment]) -> Layout:
        """Copy all fragments; when this returns, they may change.

        Raises:
            LauncherError: there is not so much memory.
        """
        kept = sorted((each for each in fragments if each.values.numel()), key=_width)
        pieces = tuple(_piece(fragment) for fragment in kept)
        if pieces != self._layout.pieces or not len(self._memory):
            self._lay_out(lay_out(pieces))
        places = zip(kept, self._layout.pieces, self._layout.starts, strict=True)
        copies = [(self._memory[start : start + piece.size], each.values) for each, piece, start in places]
        self._copy_devices([(to, values) for to, values in copies if values.device.type != "cpu"])
        self._copy_host([(to, _bytes(values).numpy()) for to, values in copies if values.device.type == "cpu"])
        return self._layout

    def close(self) -> None:
        """Give the memory back; whoever else has the descriptor keeps it."""
        self._pool.shutdown()
        self._unpin()
        self._memory = np.empty(0, np.uint8)
        os.close(self.descriptor)

    def _lay_out(self, layout: Layout) -> None:
        if layout.size != len(self._memory):
            self._allocate(layout.size)
        self._memory[: len(layout.header)] = np.frombuffer(layout.header, np.uint8)
        self._layout = layout

    def _allocate(self, size: int) -> None:
        self._unpin()
        try:
            # Now, and not page by page in the first copy, where a lack of memory would kill the process
            os.posix_fallocate(self.descriptor, 0, size)
            os.ftruncate(self.descriptor, size)
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.ENOMEM, errno.EFBIG}:
                raise
            raise LauncherError(
                f"no room in host memory for a snapshot of {size:,} bytes a rank ({error.strerror}); "
                "use machines with more memory, or fewer ranks on each"
            ) from error
        mapped = mmap.mmap(self.descriptor, size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE)
        self._memory = np.frombuffer(mapped, np.uint8)
        if torch.cuda.is_available():
            _call_cuda("cudaHostRegister", self._memory.ctypes.data, size, 0)

    def _unpin(self) -> None:
        if len(self._memory) and torch.cuda.is_available():
            _call_cuda("cudaHostUnregister", self._memory.ctypes.data)

    def _copy_devices(self, copies: Sequence[tuple[Bytes, torch.Tensor]]) -> None:
        """All copies are on their way at once, as the memory is pinned."""
        for to, values in copies:
            torch.from_numpy(to).copy_(_bytes(values), non_blocking=True)
        for device in {values.device for _, values in copies}:
            torch.cuda.current_stream(device).synchronize()

    def _copy_host(self, copies: Sequence[Copy]) -> None:
        """With threads of our own: torch's would use as many as training may, or one."""
        for done in [self._pool.submit(_copy, share) for share in _shares(copies, self._threads)]:
            done.result()


def _shares(copies: Iterable[Copy], number: int) -> Iterator[list[Copy]]:
    """The copies in so many lists of equally many bytes; a copy at a border is cut."""
    left = list(reversed(list(copies)))
    longest = -(-sum(len(to) for to, _ in left) // number)
    while left:
        share, room = [], longest
        while left and room:
            to, source = left.pop()
            share.append((to[:room], source[:room]))
            if len(to) > room:
                left.append((to[room:], source[room:]))
            room -= len(share[-1][0])
        yield share


def _copy(copies: Iterable[Copy]) -> None:
    for to, source in copies:
        np.copyto(to, source)  # without Python's lock


def _bytes(values: torch.Tensor) -> torch.Tensor:
    return values.detach().view(torch.uint8)


def _piece(fragment: Fragment) -> Piece:
    values, (parameter, name) = fragment.values, fragment.slot
    return Piece(parameter, name, fragment.offset, values.numel(), fragment.total, DTYPES[values.dtype])


def _width(fragment: Fragment) -> int:
    """Wide types first, so that every piece is aligned."""
    return -SIZES[DTYPES[fragment.values.dtype]]


def _call_cuda(name: str, *arguments: int) -> None:
    error = int(getattr(torch.cuda.cudart(), name)(*arguments))  # type: ignore[no-untyped-call]
    if error:
        raise LauncherError(f"{name} failed with CUDA's error {error}: allow more locked memory (`ulimit -l`)")
