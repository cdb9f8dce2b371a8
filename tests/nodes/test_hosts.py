"""Hosts in namespaces are apart as machines are, and leave nothing behind."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.nodes.hosts import hosts


def reaches(host, address):
    return host.run("ip", "route", "get", address).returncode == 0 and _answers(host, address)


def _answers(host, address):
    ask = f"import socket; socket.create_connection(('{address}', 7000), 2)"
    return host.run("python3", "-c", ask).returncode == 0


LISTEN = "import socket, time; s = socket.create_server(('0.0.0.0', 7000)); print('up', flush=True); time.sleep(60)"


def test_hosts_have_names_addresses_folders_and_processes_of_their_own(tmp_path):
    with hosts(["one", "two"], tmp_path) as (one, two):
        assert one.run("hostname").stdout == "one\n"
        assert two.run("hostname").stdout == "two\n"
        assert one.run("sh", "-c", "echo mine > /tmp/file; echo ours > file", folder=tmp_path).returncode == 0
        assert two.run("cat", "/tmp/file").returncode != 0
        assert two.run("cat", "file", folder=tmp_path).stdout == "ours\n"
        listening = one.start("python3", "-c", LISTEN, log=tmp_path / "log")
        _until_said(tmp_path / "log", "up")
        assert [process.name() for process in one.processes()] == ["python3"]
        assert two.processes() == []
        assert reaches(two, one.address)
        assert not _answers(two, two.address)
    assert listening.wait(5) != 0
    assert (tmp_path / "file").read_text() == "ours\n"


def test_a_parted_host_runs_on_unheard_and_an_unplugged_one_is_gone(tmp_path):
    with hosts(["one", "two"], tmp_path) as (one, two):
        listening = two.start("python3", "-c", LISTEN, log=tmp_path / "log")
        _until_said(tmp_path / "log", "up")
        two.part()
        assert not _answers(one, two.address)
        two.join()
        _until(lambda: _answers(one, two.address), "an answer")
        two.unplug()
        listening.wait(5)
        assert two.processes() == []
        assert one.run("true").returncode == 0


def test_hosts_leave_nothing_behind_when_the_test_fails(tmp_path):
    before = _links()
    with pytest.raises(RuntimeError), hosts(["one", "two"], tmp_path) as made:  # noqa: PT012
        made[1].start("sleep", "60", log=tmp_path / "log")
        raise RuntimeError
    assert all(not host.processes() for host in made)
    assert _links() == before
    assert not any(str(tmp_path) in line for line in Path("/proc/self/mounts").read_text().splitlines())


def _links():
    return subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout.count("\n")


def _until_said(log, word):
    _until(lambda: word in log.read_text(), word)


def _until(happened, what):
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
