import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from tests.e2e.command import until
from tests.faults.gate import Gate
from tests.faults.s3 import client, new_bucket, s3_server


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def gate(server: str) -> Iterator[Gate]:
    with Gate(server) as made:
        yield made


def names(server: str, bucket: str) -> list[str]:
    return [each["Key"] for each in client(server).list_objects_v2(Bucket=bucket).get("Contents", [])]


@pytest.mark.parametrize(("side", "there"), [("before", ["1"]), ("after", ["1", "2"])])
def test_the_nth_request_waits_on_its_side_of_the_server_until_it_is_let_go(
    server: str, gate: Gate, side: str, there: list[str]
) -> None:
    bucket, through = new_bucket(server), client(gate.url)
    held = gate.hold(r"^PUT .*/\d$", side, 2)  # type: ignore[arg-type]
    with ThreadPoolExecutor(1) as pool:
        through.put_object(Bucket=bucket, Key="1", Body=b"")
        second = pool.submit(through.put_object, Bucket=bucket, Key="2", Body=b"")
        assert held.reached.wait(30)
        assert names(server, bucket) == there
        assert not second.done()
        gate.let_go()
        second.result(30)
    assert names(server, bucket) == ["1", "2"]
    assert gate.asked == [f"PUT /{bucket}/1", f"PUT /{bucket}/2"]


def test_what_a_client_that_is_gone_had_asked_for_never_arrives(server: str, gate: Gate) -> None:
    bucket, address = new_bucket(server), urlsplit(gate.url)
    held = gate.hold("^PUT .*/lost$", "before")
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(f"PUT /{bucket}/lost HTTP/1.1\r\nHost: gate\r\nContent-Length: 1\r\n\r\nx".encode())
        assert held.reached.wait(30)
    gate.let_go()
    client(gate.url).put_object(Bucket=bucket, Key="later", Body=b"")
    until(lambda: names(server, bucket) == ["later"], "the later one alone", 30)
