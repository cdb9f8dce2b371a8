import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from pydantic import ValidationError

from launcher.data.sources.read import read_rows
from launcher.recipe.data import LabelledLines, PlainText, Source

Write = Callable[..., str]
Refused = Callable[[Source], str]

TEXT = "\n\nFirst line,\r\n  and second.\n \t\n\nAnother\x85paragraph\u2028here.\n"


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ("file", [TEXT.replace("\r\n", "\n")]),
        ("paragraph", ["First line,\n  and second.", "Another\x85paragraph\u2028here."]),
        ("line", ["First line,", "  and second.", "Another\x85paragraph\u2028here."]),
    ],
)
def test_text_is_divided_as_the_recipe_says(
    write: Write, documents: Literal["file", "paragraph", "line"], expected: list[str]
) -> None:
    rows = read_rows(PlainText(kind="text", url=write(TEXT.encode()), documents=documents))
    assert [row["text"] for row in rows] == expected
    assert all(list(row) == ["text"] for row in rows)


def test_each_file_is_a_document(write: Write) -> None:
    urls = [write(b"one\n\ntwo", "a.txt"), write(b" \n", "blank.txt"), write(b"three", "b.txt")]
    rows = read_rows(PlainText(kind="text", url=urls, documents="file"))
    assert rows == [{"text": "one\n\ntwo"}, {"text": "three"}]


def test_a_text_of_white_space_has_no_rows(write: Write, refused: Refused) -> None:
    assert "no rows" in refused(PlainText(kind="text", url=write(b" \n\n\t\n"), documents="paragraph"))


def test_tinyshakespeare_is_read_whole(shared: Path) -> None:
    path = shared / "data/tinyshakespeare/input.txt"
    paragraphs = read_rows(PlainText(kind="text", url=str(path), documents="paragraph"))
    assert paragraphs[0]["text"] == "First Citizen:\nBefore we proceed any further, hear me speak."
    assert [row["text"] for row in paragraphs] == re.split("\n\n+", path.read_text().strip("\n"))
    assert read_rows(PlainText(kind="text", url=str(path), documents="file")) == [{"text": path.read_text()}]


def test_a_line_is_split_at_its_last_separator(write: Write) -> None:
    url = write(b"write to a@b.com today@neutral\r\n\nup@positive")
    assert read_rows(LabelledLines(kind="labelled-lines", url=url, separator="@")) == [
        {"text": "write to a@b.com today", "label": "neutral"},
        {"text": "up", "label": "positive"},
    ]


def test_a_separator_may_have_several_characters(write: Write) -> None:
    source = LabelledLines(kind="labelled-lines", url=write(b"a || b || c\n"), separator=" || ")
    assert read_rows(source) == [{"text": "a || b", "label": "c"}]


def test_a_line_without_the_separator_is_named(write: Write, refused: Refused) -> None:
    url = write(b"up@positive\n\ndown\tnegative\n")
    assert refused(LabelledLines(kind="labelled-lines", url=url, separator="@")) == (
        f"{url}:3: no '@' between text and label; mend the line, or give the file's own separator"
    )


@pytest.mark.parametrize("separator", ["", "\n", "@\n"])
def test_a_separator_that_no_line_can_hold_is_refused(separator: str) -> None:
    with pytest.raises(ValidationError):
        LabelledLines(kind="labelled-lines", url="x", separator=separator)


def test_financial_phrasebank_agreed_sentences_are_read_whole(shared: Path) -> None:
    url = str(shared / "data/financial-phrasebank/Sentences_AllAgree.txt")
    rows = read_rows(LabelledLines(kind="labelled-lines", url=url, separator="@"))
    assert Counter(row["label"] for row in rows) == {"neutral": 1391, "positive": 570, "negative": 303}
    lines = Path(url).read_text().split("\n")
    assert [f"{row['text']}@{row['label']}" for row in rows] == [line for line in lines if line]


def test_imdb_lines_keep_their_unicode_line_breaks(shared: Path) -> None:
    url = str(shared / "data/imdb/imdb_labelled.txt")
    rows = read_rows(LabelledLines(kind="labelled-lines", url=url, separator="\t"))
    assert Counter(row["label"] for row in rows) == {"0": 500, "1": 500}
    assert sum(row["text"].count("\x85") for row in rows) == 2
