"""What a node's agent does before Ray: ports, addresses, secrets, and the end of all that came of it."""

import os
import signal
import socket
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.backends.slurm.job_folder import JobFolder
from launcher.backends.slurm.next_start import nodes_to_exclude
from launcher.backends.slurm.ports import FIRST, LAST, blocks
from launcher.backends.slurm.this_node import ThisNode, address_towards, element_in, own_address, secrets_of
from launcher.checkpoint.journal import Journal
from launcher.cluster.slurm import Slurm
from launcher.errors import InvalidInput
from launcher.ledger.hosts import ban
from launcher.storage.store import Store

JOBS = st.integers(1, 10**8)
CORES = st.integers(1, 512)


def numbers(ports):
    single = [getattr(ports, name) for name in type(ports).__dataclass_fields__][:-2]
    return {*single, *range(ports.min_worker_port, ports.max_worker_port + 1)}


@given(JOBS, CORES)
def test_a_block_has_every_port_once_and_enough_for_workers(job, cores):
    for ports in islice(blocks(job, cores), 3):
        found = numbers(ports)
        assert len(found) == 8 + ports.max_worker_port - ports.min_worker_port + 1
        assert min(found) >= FIRST
        assert max(found) < LAST
        assert ports.max_worker_port - ports.min_worker_port + 1 >= 3 * cores


@given(JOBS, st.integers(1, 64))
def test_jobs_that_follow_one_another_have_no_port_in_common(job, cores):
    mine, theirs = (next(blocks(number, cores)) for number in (job, job + 1))
    assert not numbers(mine) & numbers(theirs)


def test_a_port_that_somebody_listens_at_makes_its_block_unfree():
    ports = next(each for each in blocks(os.getpid(), 2) if each.free())
    with socket.create_server(("127.0.0.1", ports.object_manager_port)):
        assert not ports.free()
    assert ports.free()


def test_the_heads_own_ports_are_not_given_to_other_nodes():
    ports = next(blocks(1, 1))
    assert f"--port={ports.port}" in ports.flags(head=True)
    assert not [flag for flag in ports.flags(head=False) if flag.startswith(("--port", "--dashboard-port"))]


@pytest.mark.parametrize(
    ("content", "mode", "wrong"),
    [
        ("WORD=a=b\n# note\n\nOTHER=\n", 0o600, None),
        ("WORD=a\n", 0o640, "others may read"),
        ("WORD a\n", 0o600, "entry 1 of"),
        ("OTHER=a\n", 0o600, "WORD: not in"),
        (None, 0, "cannot be read"),
    ],
)
def test_secrets_come_from_a_file_that_nobody_else_can_read(tmp_path, content, mode, wrong):
    file = tmp_path / "secrets"
    if content is not None:
        file.write_text(content)
        file.chmod(mode)
    if wrong is None:
        assert secrets_of(str(file), ["WORD"]) == {"WORD": "a=b"}
        return
    with pytest.raises(InvalidInput, match=wrong) as caught:
        secrets_of(str(file), ["WORD"])
    assert "a=b" not in str(caught.value)


def test_an_element_of_a_sweep_has_its_number_in_every_word():
    assert element_in(["run", "/r/x-%a/recipe.yaml", "x-%a"], "3") == ["run", "/r/x-3/recipe.yaml", "x-3"]
    assert element_in(["100%a"], None) == ["100%a"]


def test_an_address_is_that_of_the_way_to_the_other():
    assert address_towards("127.0.0.1") == "127.0.0.1"
    node = ThisNode(1, 0, ("here",), None)
    assert own_address(node, "127.0.0.1", None) == "127.0.0.1"
    assert own_address(node, None, "lo") == "127.0.0.1"
    with pytest.raises(InvalidInput, match=r"cluster\.interface: nope0 .*lo"):
        own_address(node, None, "nope0")


def test_words_between_nodes_are_whole_private_and_told_once(tmp_path):
    job = JobFolder(tmp_path)
    assert job.told("head") is None
    job.publish("head", "10.0.0.1:12000")
    assert job.told("head") == "10.0.0.1:12000"
    with pytest.raises(FileExistsError):
        job.publish("head", "10.0.0.2:12000")
    job.make_token()
    assert job.token.stat().st_mode & 0o777 == 0o600
    job.fail("n2", "no disk")
    assert job.failures() == ["n2: no disk"]
    for word in ("time-limit", "preemption"):
        job.notice(word)
    assert job.notices() == ["time-limit", "preemption"]
    gone = JobFolder(tmp_path / "gone")
    gone.notice("cancel")
    gone.fail("n1", "Ray ended")
    assert not gone.path.exists()


def test_each_start_of_a_job_has_words_of_its_own(tmp_path):
    first, second, other = (JobFolder.of(str(tmp_path), *each) for each in (("7", "0"), ("7", "1"), ("77", "0")))
    for each in (first, second, other):
        each.path.mkdir()
    first.fail("n2", "Ray ended")
    assert second.failures() == []
    assert {each.path for each in JobFolder.all_of(str(tmp_path), "7")} == {first.path, second.path}


def test_the_next_start_does_without_the_runs_own_nodes_that_are_bad_by_now(tmp_path):
    storage, run = str(tmp_path), str(tmp_path / "one")
    profile = Slurm(backend="slurm", time="10", storage=storage, exclude="n[7-8]")
    attempt = Journal(Store.open(run)).open_attempt("slurm", "job 7 start 0 of east", ["n1", "n2"])
    attempt.close("lost", 1)
    ban(storage, "a-pod", "on another cluster")
    assert nodes_to_exclude(profile, run) == []
    ban(storage, "n2", "XID 79")
    assert nodes_to_exclude(profile, run) == ["n[7-8]", "n2"]
    assert nodes_to_exclude(profile.model_copy(update={"exclude": None}), run) == ["n2"]


ORPHANS = """
import os, signal, subprocess, sys, time
from launcher.backends.slurm.descendants import adopt_orphans, descendants, kill_descendants
adopt_orphans()
# A daemon, as Ray's are: its parent has gone, it has a session of its own, and does not hear SIGTERM
child = "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.setsid(); time.sleep(100)"
middle = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}])"
subprocess.run([sys.executable, '-c', middle], check=True)
(left,) = descendants(os.getpid())
print(left, flush=True)
kill_descendants(10)
assert not descendants(os.getpid())
"""


def test_orphans_that_hear_nothing_are_killed_too():
    done = subprocess.run([sys.executable, "-c", ORPHANS], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


def test_what_is_started_deaf_stays_so_and_nobody_else():
    from launcher.backends.slurm.ray_node import _deaf

    with _deaf():
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        time_limit = time.monotonic() + 10
        while "python" not in Path(f"/proc/{process.pid}/comm").read_text():
            assert time.monotonic() < time_limit
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGUSR2)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
    finally:
        process.kill()
        process.wait()
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, []) & {signal.SIGTERM, signal.SIGUSR2}


UNNEEDED = """
import os, sys
from pathlib import Path
from launcher.backends.slurm.descendants import descendants
from launcher.backends.slurm.ray_node import NodeSpec, start_node
spec = NodeSpec("127.0.0.1", "127.0.0.1:9", 1, 0, Path(sys.argv[1]), dict(os.environ))
assert start_node(os.getpid(), spec, lambda: True) is None
assert not descendants(os.getpid())
"""


def test_a_node_that_nobody_needs_any_more_stops_starting(tmp_path):
    words = [sys.executable, "-c", UNNEEDED, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
