import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from launcher.data.sources import json_rows
from launcher.data.sources.read import read_rows
from launcher.recipe.data import Json, Jsonl, Source

Write = Callable[..., str]
Refused = Callable[[Source], str]


def test_jsonl_keeps_what_a_value_is(write: Write) -> None:
    url = write('{"text": "a\u2028b", "label": 1}\r\n\n{"text": null, "label": true, "tags": ["\u00e9"]}'.encode())
    assert read_rows(Jsonl(kind="jsonl", url=url)) == [
        {"text": "a\u2028b", "label": 1},
        {"text": None, "label": True, "tags": ["\u00e9"]},
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "x",}', ":3:14: not JSON: "),
        (b"plain text", ":3:1: not JSON: "),
        (b'["x"]', ":3: a JSON object is expected, not a list"),
    ],
)
def test_a_line_that_is_no_json_object_is_named(write: Write, line: bytes, reason: str, refused: Refused) -> None:
    url = write(b'{"text": "a"}\n\n' + line + b'\n{"text": "b"}\n')
    assert refused(Jsonl(kind="jsonl", url=url)).startswith(url + reason)


@pytest.mark.parametrize("value", ["[" * 100_000, "9" * 5000], ids=["depth", "digits"])
def test_json_that_python_cannot_hold_is_refused(write: Write, value: str, refused: Refused) -> None:
    url = write(f'{{"text": {value}'.encode() + b"}")
    assert refused(Jsonl(kind="jsonl", url=url)).startswith(f"{url}:1: not JSON: ")
    url = write(f'[\n{{"text": {value}'.encode() + b"}]")
    assert refused(Json(kind="json", url=url)).startswith(f"{url}:2:1: not JSON: ")


def test_instructions_are_read_whole(shared: Path) -> None:
    path = shared / "data/instructions/alpaca_en_demo.json"
    rows = read_rows(Json(kind="json", url=str(path)))
    assert len(rows) == 999
    assert rows == json.loads(path.read_text())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.dictionaries(st.text(), VALUES, max_size=4), min_size=1),
    st.integers(1, 40),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_an_array_is_read_alike_wherever_it_is_cut(
    write: Write, rows: list[dict[str, Any]], chunk: int, indent: int | None, ascii_only: bool
) -> None:
    url = write(json.dumps(rows, indent=indent, ensure_ascii=ascii_only).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_rows, "CHUNK", chunk)
        assert read_rows(Json(kind="json", url=url)) == rows


@pytest.mark.parametrize(
    ("content", "place", "reason"),
    [
        ('{"text": "x"}', ":1:1", "an array of objects is expected; of a file with one object a line say kind: jsonl"),
        ('[{"text": "x"}\n {"text": "y"}]', ":2:2", "a comma or ] is expected"),
        ('[{"text": "x"},\n {"text": }]', ":2:11", "not JSON: Expecting value"),
        ('[{"text": "x"}\n,]', ":2:2", "not JSON: "),
        ('[{"text": "x"},\n "y"]', ":2", "a JSON object is expected, not a str"),
        ('[{"text": "x"}]\n[{"text": "y"}]', ":2:1", "something stands after the array"),
        ('[{"text": "x"}\n', ":2:1", "the file ends inside its array"),
        ('[{"text": "x"},\n{"text": "y', ":2:10", "not JSON: Unterminated string starting at; "),
        ('[{"text": "x"},\n{"te', ":2:2", "not JSON: Unterminated string starting at; "),
        ("[", ":1:2", "not JSON: Expecting value; mend the file, or fetch it again"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 1 << 16])
def test_what_is_wrong_in_an_array_is_named_with_its_place(
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    content: str,
    place: str,
    reason: str,
    chunk: int,
    refused: Refused,
) -> None:
    monkeypatch.setattr(json_rows, "CHUNK", chunk)
    url = write(content.encode())
    assert refused(Json(kind="json", url=url)).startswith(f"{url}{place}: {reason}")


def test_an_error_early_in_an_array_does_not_read_the_rest(write: Write, refused: Refused) -> None:
    wrong = b'[{"text": wrong},\n'
    url = write(wrong + b'{"text": "x"},\n' * 100_000 + b"\xff")  # the last byte would be told if it were read
    assert refused(Json(kind="json", url=url)).startswith(f"{url}:1:11: not JSON: Expecting value")


@pytest.mark.parametrize("content", [b"", b" \n", b"[]", b" [ ] \n"])
def test_an_array_without_objects_has_no_rows(write: Write, content: bytes, refused: Refused) -> None:
    assert "no rows" in refused(Json(kind="json", url=write(content)))
