import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.checkpoint.entries import Close, Commit, Entry, Open, Retire, entry_from_json, entry_to_json
from launcher.errors import LauncherError

counts = st.integers(min_value=0, max_value=2**53)
texts = st.text(st.characters(exclude_categories=["Cs"]))
entries = st.one_of(
    st.builds(Open, attempt=counts, backend=texts, job_id=texts, hosts=st.lists(texts).map(tuple)),
    st.builds(Commit, attempt=counts, step=counts, checkpoint=texts, manifest_digest=texts),
    st.builds(Retire, attempt=counts, checkpoint=texts),
    st.builds(Close, attempt=counts, cause=texts, exit_code=counts),
)


@given(entries)
def test_entries_survive_json(entry: Entry) -> None:
    assert entry_from_json(entry_to_json(entry), "here") == entry


def test_two_entries_are_told_apart_whatever_they_say() -> None:
    assert Close(attempt=1, cause="done", exit_code=0) != Close(attempt=1, cause="done", exit_code=0)


def test_unknown_kinds_are_refused_by_name() -> None:
    data = json.dumps({"kind": "drain", "attempt": 1, "nonce": "n", "time": "t"}).encode()
    with pytest.raises(LauncherError, match=r"^journal/3 has the unknown kind 'drain': [^\n]+$"):
        entry_from_json(data, "journal/3")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"kind": "close"',
        b'{"kind": "close", "attempt": 1, "nonce": "n", "time": "t", "cause": "done"}',
        b'{"kind": "close", "attempt": "1", "nonce": "n", "time": "t", "cause": "done", "exit_code": 0}',
    ],
)
def test_damaged_entries_are_told_in_one_line(data: bytes) -> None:
    with pytest.raises(LauncherError, match=r"^journal/3 is damaged \([^\n]+\): restore it[^\n]+$"):
        entry_from_json(data, "journal/3")
