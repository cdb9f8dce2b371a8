"""Named objects below one root, on a disk or in an object store."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from launcher.errors import InvalidInput, LauncherError
from launcher.storage import local, remote
from launcher.storage.retry import Retry

Found = TypeVar("Found")

READS = Retry(deadline=30.0)
"""On top of what the store's client tries by itself, which is not every failure that may pass."""


class AlreadyExists(LauncherError):
    """An object of this name is there already; nothing was written over it."""


class CannotWrite(LauncherError, OSError):
    """The store took no more, as on a full disk; what was being written is not there."""


class CannotRemove(LauncherError, OSError):
    """What was to be removed is still there, wholly or in part."""


@dataclass(frozen=True, slots=True)
class Store:
    """Names are relative to the root, with `/` between folders.

    Absolute names, and names with an empty part, `.` or `..`, raise InvalidInput.
    """

    fs: AbstractFileSystem
    root: str
    patient: bool = field(default=False, kw_only=True)
    """Whether what only reads is asked again here; not where the caller does so."""

    @classmethod
    def open(cls, url: str) -> "Store":
        """The store at a local path or any fsspec URL; nothing is read or written yet.

        Raises:
            InvalidInput: fsspec does not know the protocol, or the package for it is not installed.
        """
        try:
            fs, root = url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
        except (ImportError, ValueError) as error:
            raise InvalidInput(
                f"storage root {url}: {_one_line(error)}; give a path, or a URL whose package is installed"
            ) from error
        return cls(fs, root.rstrip("/"), patient=not isinstance(fs, LocalFileSystem))

    @property
    def location(self) -> str:
        """The root as a user writes it: a local path or a URL."""
        return self.root or "/" if self._is_local else str(self.fs.unstrip_protocol(self.root))

    def create(self, name: str, data: bytes) -> None:
        """Write a new object; of several writers that try, one succeeds.

        Raises:
            AlreadyExists: the object is there. The bytes may be ours, where an answer was lost on its way.
        """
        path = self._path(name)
        try:
            if self._is_local:
                local.create(Path(path), data)
            else:
                remote.create(self.fs, path, data)
        except FileExistsError as error:
            raise AlreadyExists(name) from error
        except OSError as error:
            raise self._cannot_write(name, error) from error

    def ensure(self, name: str, data: bytes) -> None:
        """Create an object, or find it there with these very bytes: only an answer was lost.

        Raises:
            AlreadyExists: the object is there with other bytes.
        """
        try:
            self.create(name, data)
        except AlreadyExists:
            if self.read(name) != data:
                raise

    def write(self, name: str, data: bytes) -> None:
        """Write an object, or put a new one in its place."""
        path = self._path(name)
        try:
            if self._is_local:
                local.write(Path(path), io.BytesIO(data))
            else:
                self.fs.pipe_file(path, data)
        except OSError as error:
            raise self._cannot_write(name, error) from error

    def read(self, name: str) -> bytes:
        """The bytes of an object.

        Raises:
            FileNotFoundError: there is none of this name.
        """
        data: bytes = self._asked(self.fs.cat_file, self._path(name))
        return data

    def exists(self, name: str) -> bool:
        return bool(self._asked(self.fs.exists, self._path(name)))

    def folders(self) -> list[str]:
        """Sorted names of the folders right below the root; none where there is no root."""
        try:
            found = self._asked(self.fs.ls, self.root or "/", detail=True)
        except FileNotFoundError:
            return []
        return sorted(each["name"].rstrip("/").rpartition("/")[2] for each in found if each["type"] == "directory")

    def list(self, prefix: str = "") -> list[str]:
        """Sorted names of all objects below a folder, at any depth; none where there is no such folder."""
        folder = self._path(prefix) if prefix else self.root
        if self._is_local:
            paths = [str(path) for path in local.files(Path(folder or "/"))]
        else:
            found = self._asked(self.fs.find, folder, detail=True)
            paths = [path for path, info in found.items() if info["type"] == "file" and not path.endswith("/")]
        return sorted(path.removeprefix(f"{self.root}/") for path in paths if path != folder)

    def upload(self, local_folder: Path, name: str) -> None:
        """Copy every file of a local folder below a name, over what is there.

        Raises:
            NotADirectoryError: there is no such local folder.
        """
        if not local_folder.is_dir():
            raise NotADirectoryError(f"{local_folder} is not a folder")
        sources = sorted(local.files(local_folder))
        targets = [self._path(f"{name}/{source.relative_to(local_folder).as_posix()}") for source in sources]
        try:
            if self._is_local:
                _copy(sources, [Path(target) for target in targets])
            else:
                self.fs.put([str(source) for source in sources], targets)
        except OSError as error:
            raise self._cannot_write(name, error) from error

    def put(self, source: str, name: str, check: local.Check | None = None) -> None:
        """Copy a local file to a name, over what is there.

        Args:
            check: As for `local.write`; not for object stores.
        """
        path = self._path(name)
        try:
            if self._is_local:
                with Path(source).open("rb") as content:
                    local.write(Path(path), content, check)
            else:
                assert check is None
                self.fs.put_file(source, path)
        except OSError as error:
            raise self._cannot_write(name, error) from error

    def download(self, name: str, local_folder: Path) -> None:
        """Copy every object below a name into a local folder, over what is there.

        Raises:
            FileNotFoundError: there is nothing below the name.
        """
        names = self.list(name)
        if not names:
            raise FileNotFoundError(f"{self.location}/{name} is not there, or empty")
        sources = [self._path(each) for each in names]
        targets = [local_folder / each.removeprefix(f"{name}/") for each in names]
        if self._is_local:
            _copy([Path(source) for source in sources], targets)
        else:
            self._asked(self.fs.get, sources, [str(target) for target in targets])

    def remove(self, name: str) -> None:
        """Remove an object, or a folder with all that is below it; nothing where there is neither."""
        try:
            self.fs.rm(self._path(name), recursive=True)
        except FileNotFoundError:
            return
        except OSError as error:
            raise CannotRemove(
                f"{self.location}/{name} cannot be removed: {_one_line(error)}; see to its permissions"
            ) from error

    def size(self, name: str) -> int:
        """Bytes of an object.

        Raises:
            FileNotFoundError: there is none of this name.
        """
        return int(self._asked(self.fs.info, self._path(name))["size"])

    def modified(self, name: str) -> float:
        """When an object was written, by the store's own clock: seconds since the epoch.

        Raises:
            FileNotFoundError: there is none of this name.
        """
        return float(self._asked(self.fs.modified, self._path(name)).timestamp())

    def local_path(self, name: str) -> Path | None:
        """Where an object lies on this machine; None in an object store."""
        path = self._path(name)
        return Path(path) if self._is_local else None

    def check_writable(self) -> None:
        """Create one small object, see that it cannot be created again, and remove it.

        Raises:
            InvalidInput: the store cannot be written, or writes over what is there when told not to.
        """
        name = f".probe-{uuid4().hex}"
        try:
            self.ensure(name, b"")
            refused = self.refuses(name)
            self.fs.rm_file(self._path(name))
        except Exception as failure:  # every object store has exceptions of its own
            error = failure.__cause__ if isinstance(failure, CannotWrite) else failure
            mend = "give a folder or bucket that you may write to, and its credentials"
            raise InvalidInput(f"storage root {self.location} cannot be written: {_one_line(error)}; {mend}") from error
        if not refused:
            mend = "without them two attempts could own one run; choose another store"
            raise InvalidInput(f"storage root {self.location} has no create-only writes: {mend}")

    def refuses(self, name: str) -> bool:
        """Whether an object that is there cannot be created again; where it can, it is written over."""
        try:
            self.create(name, b"again")
        except AlreadyExists:
            return True
        return False

    def _asked(self, ask: Callable[..., Found], *arguments: Any, **options: Any) -> Found:
        """What a call that only reads answers, and may be made again."""
        if not self.patient:
            return ask(*arguments, **options)
        return READS.call(self.location, lambda _: ask(*arguments, **options))

    def _cannot_write(self, name: str, error: OSError) -> CannotWrite:
        mend = "make room there, or see to its permissions"
        return CannotWrite(f"{self.location}/{name} cannot be written: {_one_line(error)}; {mend}")

    @property
    def is_s3(self) -> bool:
        protocols = self.fs.protocol
        return "s3" in ((protocols,) if isinstance(protocols, str) else protocols)

    @property
    def _is_local(self) -> bool:
        return isinstance(self.fs, LocalFileSystem)

    def _path(self, name: str) -> str:
        if {"", ".", ".."} & set(name.split("/")):
            raise InvalidInput(f"{name!r} is no name below {self.location}: leave out leading slashes, `.` and `..`")
        return f"{self.root}/{name}"


def _copy(sources: list[Path], targets: list[Path]) -> None:
    for source, target in zip(sources, targets, strict=True):
        with source.open("rb") as content:
            local.write(target, content)


def _one_line(error: BaseException | None) -> str:
    return " ".join(str(error).split()) or type(error).__name__
