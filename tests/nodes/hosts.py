"""Hosts on this machine: namespaces with an address, a name, processes, /tmp and /dev/shm of their own.

They are joined by a bridge that stands in the first one's network. Killing a host's first process is what pulling its
plug is; taking its link down parts it from the others. Nothing is left behind: all goes with the first processes, which
go when the test's process does, however that ends.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

INIT = Path(__file__).with_name("init.py")
CHECKOUT = INIT.parents[2]
NETWORK = "10.77.0"
TOOLS = ("unshare", "nsenter", "ip", "mount", "hostname")
REQUIRED = "LAUNCHER_REQUIRE_NODES"


@dataclass(frozen=True, slots=True)
class Host:
    name: str
    address: str
    pid: int
    """Of its first process, as this machine counts."""
    space: str
    """Which process numbers are its own."""

    def words(self, command: Sequence[str], folder: Path | None = None) -> list[str]:
        """A command that runs on the host."""
        where = [] if folder is None else [f"--wdns={folder}"]
        return ["nsenter", "--target", str(self.pid), "--all", *where, "--", *command]

    def run(
        self,
        *command: str,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        within: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever its exit code."""
        return subprocess.run(
            self.words(command, folder),
            env=_environment(environment),
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )

    def start(
        self, *command: str, log: Path, folder: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a command; what it prints goes to a file. It ends with its host at the latest."""
        with log.open("ab") as output:
            return subprocess.Popen(
                self.words(command, folder),
                env=_environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def processes(self) -> list[psutil.Process]:
        """What runs on the host besides its first process."""
        return [one for one in psutil.process_iter() if one.pid != self.pid and _pid_space(one.pid) == self.space]

    def unplug(self) -> None:
        """Kill the host with all that runs there, at once."""
        os.kill(self.pid, signal.SIGKILL)

    def part(self) -> None:
        """Take its link down: everything runs on, and nobody hears."""
        self.run("ip", "link", "set", "eth0", "down").check_returncode()

    def join(self) -> None:
        """Take its link up again."""
        self.run("ip", "link", "set", "eth0", "up").check_returncode()


def signal_inside(started: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the command that `Host.start` started: nsenter itself passes none on."""
    for child in psutil.Process(started.pid).children():
        child.send_signal(number)


def require_hosts() -> None:
    """Skip the test where this machine cannot have hosts, or fail it where it has to."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    why = "needs root" if os.geteuid() else f"needs {', '.join(missing)}" if missing else None
    skip_or_fail(why)


def skip_or_fail(why: str | None) -> None:
    if why is not None and os.environ.get(REQUIRED):
        pytest.fail(why)
    if why is not None:
        pytest.skip(why)


@contextmanager
def hosts(names: Sequence[str], shared: Path) -> Iterator[list[Host]]:
    """Hosts of these names, in one network; the first one's has the bridge.

    Args:
        shared: A folder that all of them, and this machine, have in the same place.
    """
    require_hosts()
    addresses = {name: f"{NETWORK}.{10 + place}" for place, name in enumerate(names)}
    hosts_file = shared / "hosts"
    hosts_file.write_text("127.0.0.1 localhost\n" + "".join(f"{at} {name}\n" for name, at in addresses.items()))
    with ExitStack() as stack:
        made = [stack.enter_context(_host(name, addresses[name], shared, hosts_file)) for name in names]
        first = made[0]
        first.run("ip", "link", "add", "bridge", "type", "bridge").check_returncode()
        first.run("ip", "link", "set", "bridge", "up").check_returncode()
        for place, host in enumerate(made):
            _connect(first, host, f"port{place}")
        try:
            yield made
        finally:
            for host in made:  # all at once, as each takes a second or two to go
                with suppress(ProcessLookupError):
                    host.unplug()


@contextmanager
def _host(name: str, address: str, shared: Path, hosts_file: Path) -> Iterator[Host]:
    spaces = ["unshare", "--net", "--uts", "--mount", "--pid", "--ipc", "--fork", "--kill-child"]
    init = [sys.executable, "-I", "-S", str(INIT), name, str(hosts_file), *map(str, _seen(shared))]
    process = subprocess.Popen(
        [*spaces, *init], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, cwd="/"
    )
    assert process.stdin is not None
    assert process.stdout is not None
    child: psutil.Process | None = None
    try:
        assert process.stdout.readline() == b"ready\n", f"{name} did not come up"
        (child,) = psutil.Process(process.pid).children()
        yield Host(name, address, child.pid, _pid_space(child.pid))
    finally:
        process.stdin.close()
        process.kill()  # takes its child along, and that all that is on the host
        process.wait()
        if child is not None:
            child.wait(20)
        process.stdout.close()


def _seen(shared: Path) -> list[Path]:
    """What every host sees at its usual place: the shared folder, and code that lies below the /tmp of its own."""
    below_tmp = [each for each in (CHECKOUT, Path(sys.prefix)) if each.is_relative_to("/tmp")]
    seen: list[Path] = []
    for folder in (shared, *below_tmp):
        if not any(folder.is_relative_to(each) for each in seen):
            seen.append(folder)
    return seen


def _connect(bridge: Host, host: Host, port: str) -> None:
    """A cable from a host to the bridge."""

    def on_bridge(*words: str) -> None:
        # In its network alone: process numbers in the words are this machine's
        subprocess.run(["nsenter", "--target", str(bridge.pid), "--net", "--", "ip", *words], check=True)

    on_bridge("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(host.pid))
    on_bridge("link", "set", port, "master", "bridge", "up")
    host.run("ip", "link", "set", "lo", "up").check_returncode()
    host.run("ip", "address", "add", f"{host.address}/24", "dev", "eth0").check_returncode()
    host.run("ip", "link", "set", "eth0", "up").check_returncode()


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], **(more or {})}


def _pid_space(pid: int) -> str:
    """Empty for a process that has gone, or that is not ours to ask about."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""
