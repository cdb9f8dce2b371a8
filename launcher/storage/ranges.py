"""Reading a part of an object."""

from pathlib import Path

from fsspec.asyn import AsyncFileSystem, sync
from fsspec.exceptions import FSTimeoutError

from launcher.errors import InvalidInput
from launcher.storage.retry import http_status
from launcher.storage.store import Store

BEYOND_THE_END = 416


def read_range(store: Store, name: str, offset: int, length: int, timeout: float) -> bytes:
    """Up to `length` bytes from `offset` on: fewer where the object ends sooner, or the answer was cut short.

    One try, safe to call from many threads at once.

    Args:
        timeout: Seconds, after which the request is cancelled where the store's client is asynchronous.

    Raises:
        InvalidInput: the store answers with more than was asked for, as one without range reads does.
        TimeoutError: no answer in time.
    """
    local = store.local_path(name)
    data = _read_file(local, offset, length) if local else _read_object(store, name, offset, length, timeout)
    if len(data) > length:
        raise InvalidInput(
            f"{store.location}/{name}: the store has no range reads ({len(data)} bytes came where {length} were asked "
            "for); copy the data to a local folder or an object store"
        )
    return data


def _read_file(path: Path, offset: int, length: int) -> bytes:
    # Not through a memory map: a file cut short under a map kills the process
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        return file.read(length)


def _read_object(store: Store, name: str, offset: int, length: int, timeout: float) -> bytes:
    fs, path, end = store.fs, f"{store.root}/{name}", offset + length
    data: bytes
    try:
        if isinstance(fs, AsyncFileSystem):
            data = sync(fs.loop, fs._cat_file, path, start=offset, end=end, timeout=timeout)
        else:
            data = fs.cat_file(path, start=offset, end=end)
    except FSTimeoutError as error:
        raise TimeoutError(f"no answer within {timeout:.3g} s") from error
    except Exception as error:  # every store's client has errors of its own
        if http_status(error) != BEYOND_THE_END:
            raise
        return b""
    return data
