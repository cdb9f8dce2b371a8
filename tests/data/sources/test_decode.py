from collections.abc import Callable

import pytest

from launcher.data.sources.read import read_rows
from launcher.recipe.data import Csv, PlainText, Source, Tsv

Write = Callable[..., str]
Refused = Callable[[Source], str]


@pytest.mark.parametrize("kind", [Csv, Tsv])
def test_a_byte_order_mark_is_no_part_of_the_first_column(write: Write, kind: type[Csv] | type[Tsv]) -> None:
    separator = "," if kind is Csv else "\t"
    url = write(f"\ufefftext{separator}label\nx{separator}1\n".encode())
    assert read_rows(kind(kind=kind.__name__.lower(), url=url)) == [{"text": "x", "label": "1"}]


def test_other_encodings_are_read_by_name(write: Write) -> None:
    row = {"text": "\u00e9t\u00e9", "label": "na\u00efve"}
    content = "text,label\n\u00e9t\u00e9,na\u00efve\n"
    for encoding in ("utf-8", "latin-1", "utf-16", "cp1252"):
        assert read_rows(Csv(kind="csv", url=write(content.encode(encoding)), encoding=encoding)) == [row]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_of_another_encoding_is_named_with_its_line(write: Write, mark: bytes, refused: Refused) -> None:
    url = write(mark + b"text,label\nplain,1\n\xe9t\xe9,1\n")
    message = refused(Csv(kind="csv", url=url))
    assert message == f"{url}:3: byte 0xe9 is not utf-8; give the file's own encoding, such as encoding: latin-1"


def test_an_unknown_encoding_is_refused(write: Write, refused: Refused) -> None:
    assert "encoding 'klingon' is not known" in refused(Csv(kind="csv", url=write(b"a\nb\n"), encoding="klingon"))


def test_a_codec_that_makes_no_text_is_refused(write: Write, refused: Refused) -> None:
    assert "encoding 'base64' is not known" in refused(Csv(kind="csv", url=write(b"a\nb\n"), encoding="base64"))


def test_a_byte_far_into_a_file_is_named_with_its_line(write: Write, refused: Refused) -> None:
    lines = [b"text,label"] + [b"plain,1"] * 40_000
    lines[33_333] = "\u00e9t\u00e9,1".encode() + b"\xff"
    url = write(b"\n".join(lines))
    assert refused(Csv(kind="csv", url=url)).startswith(f"{url}:33334: byte 0xff is not utf-8")


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_file_that_ends_inside_a_character_is_told(write: Write, end: bytes, refused: Refused) -> None:
    url = write(b"text,label\nplain,\xc3" + end)
    assert refused(Csv(kind="csv", url=url)).startswith(f"{url}:2: byte 0xc3 is not utf-8")


def test_a_character_that_two_reads_share_is_whole(write: Write) -> None:
    for shift in range(3):
        text = "x" * shift + "\u20ac" * 20_000
        assert read_rows(PlainText(kind="text", url=write(text.encode()), documents="line")) == [{"text": text}]
