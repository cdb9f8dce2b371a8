"""The launcher as a user has it: a process of its own, with next to nothing in its environment."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

LONGEST_S = 600.0
"""Seconds after which a command counts as hung; it takes far less."""


@cache
def compiled_operators() -> str:
    """Where this environment has compiled DeepSpeed's operators: no test with a home of its own does it anew."""
    from torch.utils.cpp_extension import _get_build_directory

    return str(Path(_get_build_directory("deepspeed_shm_comm", verbose=False)).parent)


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Bench:
    """A folder to work in, with a home and a folder for temporary files of its own."""

    folder: Path
    shared: Path

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    def environment(self) -> dict[str, str]:
        self.temporary.mkdir(exist_ok=True)
        self.home.mkdir(exist_ok=True)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "LAUNCHER_SHARED": str(self.shared),
            "HF_HUB_OFFLINE": "1",
            "TORCH_EXTENSIONS_DIR": compiled_operators(),
        }

    def launcher(self, *words: str, environment: Mapping[str, str] | None = None) -> Ended:
        """Run a verb to its end, with more in its environment where that is given."""
        command = [sys.executable, "-m", "launcher", *words]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment() | dict(environment or {}),
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def started(self, *words: str) -> Iterator["Started"]:
        """Start a verb in a session of its own, as a terminal does; whatever is left of it is killed at the end."""
        out, err = self.folder / "out.txt", self.folder / "err.txt"
        command = [sys.executable, "-m", "launcher", *words]
        with out.open("w") as stdout, err.open("w") as stderr:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        started = Started(process, out, err)
        try:
            yield started
        finally:
            left = started.processes()
            for each in left:
                each.kill()
            psutil.wait_procs(left, timeout=LONGEST_S)
            process.wait()


@dataclass(frozen=True, slots=True)
class Started:
    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def until_said(self, pattern: str) -> None:
        """Wait for a line on stdout."""

        def said() -> bool:
            assert self.process.poll() is None, f"ended without {pattern!r}: {self.err.read_text()}"
            return re.search(pattern, self.out.read_text(), re.MULTILINE) is not None

        until(said, f"{pattern!r} on stdout")

    def ended(self) -> Ended:
        """Wait for the end."""
        code = self.process.wait(LONGEST_S)
        return Ended(code, self.out.read_text(), self.err.read_text())

    def processes(self) -> list[psutil.Process]:
        """Every living process of the session, the launcher itself among them; orphans stay in it."""
        return [process for process in psutil.process_iter() if self._holds(process)]

    def cluster_folder(self) -> Path:
        """Where the run's Ray cluster has its sockets and logs."""
        words = " ".join(word for process in self.processes() for word in process.cmdline())
        found = re.search(r"/tmp/ll-[^/\s]+", words)
        assert found is not None, words
        return Path(found.group())

    def press_ctrl_c(self) -> None:
        """SIGINT to the foreground process group, as a terminal sends it."""
        os.killpg(self.process.pid, signal.SIGINT)

    def _holds(self, process: psutil.Process) -> bool:
        try:
            return os.getsid(process.pid) == self.process.pid and process.status() != psutil.STATUS_ZOMBIE
        except (ProcessLookupError, psutil.NoSuchProcess):
            return False


def until(happened: Callable[[], bool], what: str, within: float = LONGEST_S) -> None:
    """Wait, looking often, for something that has to happen."""
    deadline = time.monotonic() + within
    while not happened():
        assert time.monotonic() < deadline, f"not within {within:.0f} s: {what}"
        time.sleep(0.05)


def the_one_line(ended: Ended, code: int) -> str:
    """What a failure says on stderr: one line, without the launcher's name in front."""
    assert ended.code == code, (ended.code, ended.err, ended.out)
    (line,) = told(ended.err)
    return line


def told(stderr: str) -> Sequence[str]:
    """The lines of an error, the first of which names who speaks; a traceback is no way to tell one."""
    assert "Traceback" not in stderr, stderr
    assert stderr.startswith("launcher: "), stderr
    assert stderr.endswith("\n")
    return stderr.removeprefix("launcher: ").splitlines()
