import bz2
import gzip
import io
import lzma
import re
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from s3fs import S3FileSystem

from launcher.data.sources.read import read_rows
from launcher.recipe.data import Csv, Parquet, Source

Write = Callable[..., str]
Refused = Callable[[Source], str]

CONTENT = b"text,label\n" + b"".join(b"number %d,%d\n" % (number, number % 2) for number in range(2000))

PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda content: bytes(pa.Codec("zstd").compress(content, asbytes=True)),
}


@pytest.fixture
def in_memory() -> Iterator[Callable[[Mapping[str, bytes]], str]]:
    """Writes files into fsspec's store in memory, and returns their folder's URL."""
    fs = fsspec.filesystem("memory")

    def into(files: Mapping[str, bytes]) -> str:
        for name, content in files.items():
            fs.pipe_file(f"/test-rows/{name}", content)
        return "memory://test-rows"

    yield into
    fs.rm("/test-rows", recursive=True)


def zipped(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def texts(url: str | list[str]) -> list[str]:
    return [row["text"] for row in read_rows(Csv(kind="csv", url=url, columns=["text"]))]


def test_rows_come_from_any_fsspec_url(in_memory: Callable[[Mapping[str, bytes]], str]) -> None:
    folder = in_memory({"b": b"two\n", "a": b"one\n"})
    assert texts(f"{folder}/b") == ["two"]
    assert texts(f"{folder}/*") == ["one", "two"]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The URL at which a web server on this machine gives the test's folder."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_what_stands_in_a_query_is_no_glob_and_no_end_of_a_name(write: Write, served: str) -> None:
    write(gzip.compress(b"one\n"), "rows.csv.gz")
    assert texts(f"{served}/rows.csv.gz?raw=[*]&name=x.zip") == ["one"]


def test_a_globs_files_come_by_name_and_a_lists_in_its_order(write: Write, tmp_path: Path) -> None:
    for name in ("part-2", "part-10", "part-1", "other"):
        write(name.encode(), name)
    (tmp_path / "part-folder").mkdir()
    assert texts(str(tmp_path / "part-*")) == ["part-1", "part-10", "part-2"]
    assert texts([str(tmp_path / "part-2"), str(tmp_path / "o*")]) == ["part-2", "other"]
    assert texts(str(tmp_path / "**" / "part-[12]")) == ["part-1", "part-2"]


def test_a_file_whose_name_looks_like_a_glob_is_itself(write: Write) -> None:
    write(b"no", "rows1.csv")
    assert texts(write(b"yes", "rows[1].csv")) == ["yes"]


def test_relative_paths_start_at_the_working_directory(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(b"here", "rows.csv")
    monkeypatch.chdir(tmp_path)
    assert texts("rows.csv") == texts("./*.csv") == ["here"]


def test_a_glob_without_files_is_refused(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "folder.csv").mkdir()
    url = str(tmp_path / "*.csv")
    assert refused(Csv(kind="csv", url=url)) == f"{url}: no file matches; relative paths start at the working directory"


@pytest.mark.parametrize("suffix", PACK)
def test_packed_files_are_unpacked_by_name(write: Write, suffix: str) -> None:
    plain, packed = write(CONTENT, "rows.csv"), write(PACK[suffix](CONTENT), f"packed.csv{suffix.upper()}")
    assert read_rows(Csv(kind="csv", url=packed)) == read_rows(Csv(kind="csv", url=plain))


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_a_packed_file_that_ends_early_is_told(write: Write, suffix: str, kept: float, refused: Refused) -> None:
    packed = PACK[suffix](CONTENT)
    url = write(packed[: int(len(packed) * kept)], f"rows.csv{suffix}")
    message = refused(Csv(kind="csv", url=url))
    assert message.startswith(f"{url}: cannot be unpacked: ")
    assert message.endswith("; fetch or pack it again, or give the file unpacked")


@pytest.mark.parametrize("suffix", PACK)
def test_a_file_that_is_not_packed_as_its_name_says_is_told(write: Write, suffix: str, refused: Refused) -> None:
    url = write(CONTENT, f"rows.csv{suffix}")
    assert refused(Csv(kind="csv", url=url)).startswith(f"{url}: cannot be unpacked: ")


def test_all_files_of_an_archive_are_read_but_for_hidden_ones(write: Write) -> None:
    members = {
        "b.csv": b"two",
        "folder/": b"",
        "folder/a.csv": b"one",
        "__MACOSX/._b.csv": b"\xff",
        ".DS_Store": b"\xff",
    }
    url = write(zipped(members), "rows.zip")
    assert texts(url) == ["two", "one"]
    assert texts(f"zip://*/a.csv::{url}") == ["one"]


def test_what_needs_seeking_is_read_from_an_archive(write: Write) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"text": ["x", "y"]}), sink)
    url = write(zipped({"rows.parquet": bytes(sink.getvalue())}), "rows.zip")
    assert read_rows(Parquet(kind="parquet", url=url)) == [{"text": "x"}, {"text": "y"}]


@pytest.mark.parametrize("members", [{}, {"folder/": b""}, {"__MACOSX/._rows.csv": b"x"}])
def test_an_archive_without_files_is_refused(write: Write, members: dict[str, bytes], refused: Refused) -> None:
    url = write(zipped(members), "rows.zip")
    assert refused(Csv(kind="csv", url=url)) == (
        f"{url}: the archive holds no file; pack the data into it, or give another"
    )


@pytest.mark.parametrize("inner", ["rows.csv.gz", "rows.zip"])
def test_a_file_that_is_packed_twice_is_refused(write: Write, inner: str, refused: Refused) -> None:
    url = write(zipped({inner: b""}), "all.zip")
    assert refused(Csv(kind="csv", url=url)).startswith(f"zip://{inner}::{url}: packed twice; unpack the archive")


def test_a_damaged_archive_is_told(write: Write, refused: Refused) -> None:
    content = zipped({"rows.csv": CONTENT})
    url = write(content[:-30], "cut.zip")
    assert refused(Csv(kind="csv", url=url)).startswith(f"{url}: cannot be unpacked: File is not a zip file;")
    middle = len(content) // 2
    url = write(content[:middle] + bytes(40) + content[middle + 40 :], "damaged.zip")
    assert refused(Csv(kind="csv", url=url)).startswith(f"zip://rows.csv::{url}: cannot be unpacked: ")


def test_a_locked_archive_is_told(write: Write, refused: Refused) -> None:
    content = bytearray(zipped({"rows.csv": CONTENT}))
    content[content.index(b"PK\x03\x04") + 6] |= 1  # the flag of an encrypted member, in both its headers
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert "is encrypted, password required" in refused(Csv(kind="csv", url=write(bytes(content), "rows.zip")))


@pytest.mark.parametrize("name", ["rows.tar.gz", "rows.tgz", "rows.7z"])
def test_archives_of_other_kinds_are_refused(write: Write, name: str, refused: Refused) -> None:
    url = write(b"", name)
    assert refused(Csv(kind="csv", url=url)).startswith(f"{url}: such archives are not unpacked; unpack it")


def test_a_missing_file_is_told_with_where_relative_paths_start(tmp_path: Path, refused: Refused) -> None:
    url = str(tmp_path / "absent.csv")
    assert refused(Csv(kind="csv", url=url)) == f"{url}: no such file; relative paths start at the working directory"


def test_a_folder_is_refused(tmp_path: Path, refused: Refused) -> None:
    assert re.search(r"cannot be read: .*[Ii]s a directory.*; give a path", refused(Csv(kind="csv", url=str(tmp_path))))


def test_an_unknown_protocol_is_refused(refused: Refused) -> None:
    assert refused(Csv(kind="csv", url="gopher://x/y.csv")) == (
        "gopher://x/y.csv: cannot be read: Protocol not known: gopher; give a path or URL of a file"
    )


def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    assert refused(Csv(kind="csv", url="gs://bucket/y.csv")).endswith("pip install 'llama-launcher[gcs]'")


def test_a_store_that_does_not_answer_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    monkeypatch.setattr(S3FileSystem, "retries", 1)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    assert "cannot be read: Could not connect" in refused(Csv(kind="csv", url="s3://bucket/y.csv"))
