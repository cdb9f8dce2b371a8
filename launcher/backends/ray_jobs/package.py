"""A folder of this machine as one zip file: without what a cluster has no use for, and small enough for Ray to take."""

import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from launcher.errors import InvalidInput

ANYWHERE = {".git", ".venv", "venv", "node_modules", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache",
            ".hypothesis", ".ipynb_checkpoints"}  # fmt: skip
AT_TOP = {"runs", "data", "wandb", "checkpoints", "outputs", "dist", "build"}
"""Folders that hold data where they stand at the top; `launcher/data` is code."""
LONG_AGO = (2020, 1, 1, 0, 0, 0)
"""Of every file in the package, so that the same content is the same package, which Ray has already."""


def package(folder: Path, names: Iterable[str], target: Path) -> None:
    """Write files below a folder into a zip file."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in names:
            entry = zipfile.ZipInfo(name, LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if os.access(folder / name, os.X_OK) else 0o644) << 16
            packed.writestr(entry, (folder / name).read_bytes())


def measured(folder: Path, excludes: Sequence[str], limit: int) -> list[str]:
    """Names of the files to take along, which are not too many.

    Args:
        excludes: Patterns of paths below the folder, as shells write them.
        limit: Bytes of all files together.

    Raises:
        InvalidInput: there is no such folder, or it holds too much; names what takes most.
    """
    if not folder.is_dir():
        raise InvalidInput(f"cluster.working_dir: {folder} is no folder here; give one, or leave it out")
    sizes = {name: (folder / name).stat().st_size for name in sorted(chosen(folder, excludes))}
    total = sum(sizes.values())
    if total > limit:
        raise InvalidInput(
            f"cluster.working_dir: {folder} holds {_mib(total)}, and Ray takes {_mib(limit)}; most is in "
            f"{_largest(sizes)}: name it in cluster.excludes, or keep it in the storage"
        )
    return list(sizes)


def chosen(folder: Path, excludes: Sequence[str]) -> Iterator[str]:
    """Names of the files to take along, with `/` between folders; those that git ignores are left out too."""
    for name in _tracked(folder) or _found(folder):
        parts = name.split("/")
        left_out = ANYWHERE & set(parts) or (len(parts) > 1 and parts[0] in AT_TOP)
        if left_out or any(_fits(parts, pattern) for pattern in excludes):
            continue
        if (folder / name).is_file():
            yield name


def _fits(parts: Sequence[str], pattern: str) -> bool:
    """Whether a pattern names the file, or a folder that it is in."""
    wanted = pattern.strip("/")
    above = ("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
    return any(fnmatch(path, wanted) for path in above) or (
        "/" not in wanted and any(fnmatch(p, wanted) for p in parts)
    )


def _tracked(folder: Path) -> list[str]:
    """What git tracks or would; nothing where the folder is no checkout, or git is not here."""
    git = shutil.which("git")
    if git is None or not (folder / ".git").exists():
        return []
    words = [git, "-C", str(folder), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(words, capture_output=True, check=False)
    return [os.fsdecode(name) for name in done.stdout.split(b"\0") if name] if done.returncode == 0 else []


def _found(folder: Path) -> Iterator[str]:
    for above, folders, files in os.walk(folder):
        folders[:] = sorted(set(folders) - ANYWHERE)
        for name in files:
            yield (Path(above) / name).relative_to(folder).as_posix()


def _largest(sizes: dict[str, int]) -> str:
    tops: dict[str, int] = {}
    for name, size in sizes.items():
        top = name.split("/")[0]
        tops[top] = tops.get(top, 0) + size
    top = max(tops, key=lambda name: tops[name])
    return f"{top} ({_mib(tops[top])})"


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
