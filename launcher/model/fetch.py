"""The base model's folder on this node: local as it is, from the hub or an object store once per node."""

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from launcher.errors import InvalidInput
from launcher.recipe.model import Pretrained

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

CACHE = Path("~/.cache/llama-launcher/models")


CONFIG = ["config.json"]
ADAPTER = "adapter_config.json"
WHOLE = ["*.json", "*.safetensors", "tokenizer*", "*.model", "*.txt", "*.jinja"]
"""Files of a hub repository by pattern."""
WITHOUT_WEIGHTS = [pattern for pattern in WHOLE if pattern != "*.safetensors"]


def fetch_model(model: Pretrained, patterns: list[str] = WHOLE, *, adapters: bool = False) -> Path:
    """The folder that holds config, weights and tokenizer; processes of one node wait for one download.

    Args:
        patterns: From a hub, only files that fit them are fetched.
        adapters: Take an adapter too, whose folder has a configuration of its own and no other.

    Raises:
        InvalidInput: the model is absent, gated or cannot be reached.
    """
    name = model.name_or_path
    if "://" in name:
        return _fetch_url(name, adapters=adapters)
    if is_local(name):
        folder = Path(name).expanduser().absolute()
        if not _holds_model(folder, adapters=adapters):
            raise InvalidInput(f"model.name_or_path: {folder} holds no config.json; give a Hugging Face model folder")
        return folder
    return _fetch_hub(name, model.revision, patterns)


def is_local(name: str) -> bool:
    """Whether a model name is a path; `org/name` is a hub id unless such a folder stands here."""
    return name.startswith((".", "/", "~")) or Path(name).is_dir()


def _holds_model(folder: Path, *, adapters: bool) -> bool:
    return (folder / "config.json").is_file() or (adapters and (folder / ADAPTER).is_file())


def _fetch_url(url: str, *, adapters: bool) -> Path:
    import fsspec
    from filelock import FileLock

    try:
        filesystem, path = fsspec.url_to_fs(url, use_listings_cache=False)
        folder = CACHE.expanduser() / _fingerprint(url, filesystem.find(path, detail=True))
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.is_dir():
                _download(filesystem, path, folder, adapters=adapters)
    except Exception as error:  # every store's client has errors of its own
        reason = shorten(str(error) or repr(error), 300)
        raise InvalidInput(f"model.name_or_path: {url} cannot be fetched: {reason}; give a model folder") from error
    return folder


def _fingerprint(url: str, files: Mapping[str, Mapping[str, object]]) -> str:
    """Names what is at a URL now, by what stores tell of their objects: another model there has another name."""
    versions = ("size", "ETag", "etag", "mtime", "created")
    told = [(name, *(str(info.get(key)) for key in versions)) for name, info in sorted(files.items())]
    return hashlib.sha256(repr((url, told)).encode()).hexdigest()[:32]


def _download(filesystem: "AbstractFileSystem", path: str, folder: Path, *, adapters: bool) -> None:
    """Copy a model's files to `folder`, which stands there whole or not at all."""
    partial = folder.with_suffix(f".{os.getpid()}.partial")
    try:
        filesystem.get(path.rstrip("/") + "/", str(partial) + "/", recursive=True)
        if not _holds_model(partial, adapters=adapters):
            raise FileNotFoundError("it holds no config.json")
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _fetch_hub(name: str, revision: str | None, patterns: list[str]) -> Path:
    from huggingface_hub import errors, snapshot_download

    place = f"model.name_or_path: {name}" + (f" at revision {revision}" if revision else "")
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except errors.GatedRepoError:
        raise InvalidInput(
            f"{place} is gated: accept its licence on the hub and log in (`hf auth login`), or export HF_TOKEN"
        ) from None
    except errors.RevisionNotFoundError:
        raise InvalidInput(f"{place}: the hub has no such revision; see the model's page") from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise InvalidInput(
            f"{place}: the hub has no such model, or it is private; a local folder starts with ./, ../ or /"
        ) from None
    except (errors.LocalEntryNotFoundError, OSError) as error:
        reason = shorten(str(error), 300)
        raise InvalidInput(f"{place} is not in the local cache and the hub cannot be reached: {reason}") from error
