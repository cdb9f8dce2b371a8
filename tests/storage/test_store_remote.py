from uuid import uuid4

import pytest
from botocore.exceptions import FlexibleChecksumError
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


class Damaging(MemoryFileSystem):  # type: ignore[misc]
    """Damages the first answers on their way, which botocore finds and s3fs does not ask for again."""

    cachable = False

    def __init__(self, damaged: int) -> None:
        super().__init__()
        self.damaged = damaged
        self.asked = 0

    def cat_file(self, path: str, *arguments: object, **options: object) -> bytes:
        self.asked += 1
        if self.asked <= self.damaged:
            raise FlexibleChecksumError(error_msg="Expected checksum mHHc7w== did not match")
        data: bytes = super().cat_file(path, *arguments, **options)
        return data


def test_an_answer_that_was_damaged_on_its_way_is_asked_for_again() -> None:
    store = Store(Damaging(2), f"/{uuid4()}", patient=True)
    store.create("name", b"data")
    assert store.read("name") == b"data"


def test_a_caller_that_asks_again_itself_hears_of_the_first_failure() -> None:
    store = Store(Damaging(1), f"/{uuid4()}")
    store.create("name", b"data")
    with pytest.raises(FlexibleChecksumError):
        store.read("name")


def test_what_is_not_there_is_asked_for_once() -> None:
    fs = Damaging(0)
    with pytest.raises(FileNotFoundError):
        Store(fs, f"/{uuid4()}", patient=True).read("name")
    assert fs.asked == 1


def test_an_object_that_is_there_with_the_same_bytes_is_what_was_to_be_ensured() -> None:
    store = Store(MemoryFileSystem(), f"/{uuid4()}")
    store.ensure("name", b"data")
    store.ensure("name", b"data")
    with pytest.raises(AlreadyExists):
        store.ensure("name", b"other")
    assert store.read("name") == b"data"
