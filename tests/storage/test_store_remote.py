from uuid import uuid4

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from launcher.storage.store import AlreadyExists, Store


class Answering(MemoryFileSystem):  # type: ignore[misc]
    """Answers the first creations with S3 error codes, in the wrapping that s3fs gives them."""

    cachable = False

    def __init__(self, codes: list[str]) -> None:
        super().__init__()
        self.codes = codes

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: object) -> None:
        if self.codes:
            cause = Exception()
            cause.response = {"Error": {"Code": self.codes.pop(0)}}  # type: ignore[attr-defined]
            raise OSError("refused") from cause
        super().pipe_file(path, value, mode=mode, **kwargs)


def test_a_conflict_with_a_write_under_way_is_tried_again() -> None:
    store = Store(Answering(["ConditionalRequestConflict", "409"]), f"/{uuid4()}")
    store.create("name", b"data")
    assert store.read("name") == b"data"


def test_conflicts_without_end_are_told() -> None:
    store = Store(Answering(["ConditionalRequestConflict"] * 100), f"/{uuid4()}")
    with pytest.raises(OSError, match="refused"):
        store.create("name", b"data")


def test_any_wording_of_a_failed_precondition_means_already_there() -> None:
    store = Store(Answering(["PreconditionFailed"]), f"/{uuid4()}")
    with pytest.raises(AlreadyExists):
        store.create("name", b"data")


def test_other_errors_are_not_taken_for_an_answer() -> None:
    store = Store(Answering(["AccessDenied"]), f"/{uuid4()}")
    with pytest.raises(OSError, match="refused"):
        store.create("name", b"data")
    assert not store.exists("name")
