"""An export pushed to the Hugging Face Hub, into a repository of its own."""

from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

from launcher.errors import InvalidInput

HUB = "hf://"
LEFT_BY_THE_HUB = {".gitattributes", "README.md"}
"""Files of a repository that nobody has stored anything in."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A model repository where nothing is yet."""

    name: str
    endpoint: str | None = None
    """Of a hub of one's own; by default what HF_ENDPOINT says, or huggingface.co."""

    @property
    def location(self) -> str:
        return f"{HUB}{self.name}"


def empty_repository(url: str, endpoint: str | None = None) -> Repository:
    """A repository that is not there, or has no files; nothing is changed.

    Args:
        url: `hf://org/name`.

    Raises:
        InvalidInput: it is no such name, holds files, or the hub cannot be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    name = url.removeprefix(HUB).strip("/")
    if name.count("/") != 1:
        raise InvalidInput(f"--to: {url} names no repository; give hf://org/name")
    try:
        there = set(HfApi(endpoint).list_repo_files(name)) - LEFT_BY_THE_HUB
    except RepositoryNotFoundError:
        there = set()
    except Exception as error:  # offline mode, no network, no such name: each has an error of its own
        raise InvalidInput(f"--to: {url} cannot be looked at: {shorten(str(error), 300)}") from error
    if there:
        raise InvalidInput(f"--to: {url} is not empty; give another name")
    return Repository(name, endpoint)


def push(folder: Path, target: Repository) -> int:
    """Make the repository where it is not there, private, and store every file in one commit; returns their bytes.

    The hub verifies large files by their sha256 and takes a commit whole or not at all.

    Raises:
        InvalidInput: the hub refuses it; for want of a token, most often.
    """
    from huggingface_hub import HfApi

    hub = HfApi(target.endpoint)
    try:
        hub.create_repo(target.name, private=True, exist_ok=True)
        hub.upload_folder(repo_id=target.name, folder_path=folder, commit_message="Export of llama-launcher")
    except Exception as error:
        raise InvalidInput(
            f"--to: {target.location}: {shorten(str(error), 300)}; log in (`hf auth login`) or export HF_TOKEN, with a "
            "token that may write there"
        ) from error
    return sum(path.stat().st_size for path in folder.iterdir())
