import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.checkpoint.entries import (
    Close,
    Commit,
    DamagedEntry,
    Open,
    Retire,
    Written,
    entry_from_json,
    entry_to_json,
)
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
def test_entries_survive_json(entry: Written) -> None:
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
def test_what_is_no_entry_is_damaged(data: bytes) -> None:
    with pytest.raises(DamagedEntry, match=r"^is damaged \([^\n]+\)$"):
        entry_from_json(data, "journal/3")


@given(entries)
def test_an_entry_is_one_json_object_to_others(entry: Written) -> None:
    assert json.loads(entry_to_json(entry))["kind"] == entry.kind


@given(entries, st.data())
def test_a_bit_that_flips_changes_nothing_or_is_found(entry: Written, data: st.DataObject) -> None:
    content = bytearray(entry_to_json(entry))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with contextlib.suppress(DamagedEntry):
        assert entry_from_json(bytes(content), "here") == entry


@given(entries)
def test_every_byte_of_what_an_entry_says_is_held_by_its_checksum(entry: Written) -> None:
    content = entry_to_json(entry)
    for place in range(content.rindex(b',"xxh3_128"')):
        flipped = bytearray(content)
        flipped[place] ^= 1
        with pytest.raises(DamagedEntry):
            entry_from_json(bytes(flipped), "here")


@given(entries, st.data())
def test_an_entry_that_is_cut_short_is_damaged(entry: Written, data: st.DataObject) -> None:
    content = entry_to_json(entry).rstrip()
    with pytest.raises(DamagedEntry):
        entry_from_json(content[: data.draw(st.integers(0, len(content) - 1))], "here")
