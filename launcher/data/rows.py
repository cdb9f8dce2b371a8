"""Rows out of a source: each a mapping of column name to text."""

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterator
from textwrap import shorten

from launcher.data.headlines import headlines
from launcher.errors import InvalidInput
from launcher.recipe.data import Csv, Delimited, Headlines, Jsonl, Source, Tsv

Columns = dict[str, str]

EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure", "abfss": "azure"}


def read_rows(source: Source) -> list[Columns]:
    """All rows of a source, in file order.

    Raises:
        InvalidInput: the file is missing, empty, in another encoding, or a row does not parse.
    """
    rows = READERS[type(source)](source)
    if not rows:
        raise InvalidInput(f"{_where(source)}: no rows; point url at a file that has some")
    return rows


def _read_text(url: str, encoding: str) -> str:
    import fsspec

    try:
        with fsspec.open(url, "rb") as stream:
            raw: bytes = stream.read()
    except FileNotFoundError:
        raise InvalidInput(f"{url}: no such file; relative paths start at the working directory") from None
    except ImportError as error:
        extra = EXTRAS.get(url.partition("://")[0])
        mend = f"pip install 'llama-launcher[{extra}]'" if extra else "install what it names"
        raise InvalidInput(f"{url}: {shorten(str(error), 200)}; {mend}") from error
    except Exception as error:  # every store's client has errors of its own
        raise InvalidInput(
            f"{url}: cannot be read: {shorten(str(error) or repr(error), 300)}; give a path or URL of a file"
        ) from error
    return _decode(raw, url, encoding)


def _decode(raw: bytes, url: str, encoding: str) -> str:
    try:
        codec = codecs.lookup(encoding).name
        return raw.decode("utf-8-sig" if codec == "utf-8" else codec)
    except LookupError:
        raise InvalidInput(f"{url}: encoding {encoding!r} is not known; try utf-8 or latin-1") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InvalidInput(
            f"{url}:{line}: byte 0x{error.object[error.start]:02x} is not {encoding}; "
            "give the file's own encoding, such as encoding: latin-1"
        ) from None


def _read_delimited(source: Delimited, reader: Iterator[list[str]], line: Callable[[], int]) -> list[Columns]:
    header = _distinct(source.columns, source) if source.columns is not None else None
    rows: list[Columns] = []
    try:
        for cells in reader:
            if not cells:
                continue
            if header is None:
                header = _distinct(cells, source)
            elif len(cells) != len(header):
                raise InvalidInput(
                    f"{source.url}:{line()}: {len(cells)} cells where {len(header)} columns are expected "
                    f"({', '.join(header)}); mend the row, or give columns: for a file without a header line"
                )
            else:
                rows.append(dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise InvalidInput(f"{source.url}:{line()}: {error}; is the file quoted as its kind says?") from error
    return rows


def _distinct(header: list[str], source: Delimited) -> list[str]:
    for name in header:
        if header.count(name) > 1:
            raise InvalidInput(
                f"{source.url}: two columns are named {name!r}; rename one of them ({', '.join(header)})"
            )
    return header


def _read_csv(source: Csv) -> list[Columns]:
    reader = csv.reader(io.StringIO(_read_text(source.url, source.encoding), newline=""), strict=True)
    return _read_delimited(source, reader, lambda: reader.line_num)


def _read_tsv(source: Tsv) -> list[Columns]:
    text = io.StringIO(_read_text(source.url, source.encoding), newline="")
    reader = csv.reader(text, delimiter="\t", quoting=csv.QUOTE_NONE)
    return _read_delimited(source, reader, lambda: reader.line_num)


def _read_jsonl(source: Jsonl) -> list[Columns]:
    rows: list[Columns] = []
    for number, line in enumerate(_read_text(source.url, source.encoding).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InvalidInput(
                f"{source.url}:{number}:{error.colno}: not JSON: {error.msg}; write one JSON object a line"
            ) from None
        if not isinstance(row, dict):
            raise InvalidInput(f"{source.url}:{number}: a JSON object is expected, not a {type(row).__name__}")
        rows.append({key: _json_text(value) for key, value in row.items()})
    return rows


def _json_text(value: object) -> str:
    """A string as it is, nothing for null, and anything else as JSON writes it."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _make_headlines(source: Headlines) -> list[Columns]:
    return headlines(source.rows_per_class, source.templates, source.seed)


def _where(source: Source) -> str:
    return source.kind if isinstance(source, Headlines) else source.url


READERS: dict[type, Callable[..., list[Columns]]] = {
    Csv: _read_csv,
    Tsv: _read_tsv,
    Jsonl: _read_jsonl,
    Headlines: _make_headlines,
}
