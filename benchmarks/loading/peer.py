"""Other loaders, each in a process of an environment of its own: they need other versions than ours."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

SCRIPTS = Path(__file__).parent / "peers"
PEERS = {"mosaicml-streaming": "mosaic.py", "LitData": "lit.py", "Hugging Face + TRL": "trl_packs.py"}


class NotInstalled(Exception):
    """A peer cannot be imported there."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A process that answers requests, a line of JSON each."""

    name: str
    process: "subprocess.Popen[str]"
    log: Path

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """The answer of `do` in the peer's script. Raises RuntimeError, with the end of its log, where it has none."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended: {self.log.read_text()[-2000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def peer(name: str, python: Path | None, folder: Path) -> Iterator[Peer]:
    """A peer at work in a folder, which holds `starts.npy` and `tokens.npy`.

    Raises:
        NotInstalled: there is no such Python, or it cannot import the peer.
    """
    if python is None or not python.exists():
        raise NotInstalled(f"{name}: not installed (no --peers-python)")
    log = folder / f"{PEERS[name]}.log"
    with ExitStack() as stack:
        errors: IO[str] = stack.enter_context(log.open("w"))
        command = [str(python), str(SCRIPTS / PEERS[name]), str(folder)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=folder
        )
        stack.callback(_end, process)
        assert process.stdout is not None
        if not process.stdout.readline():
            reason = log.read_text().strip().splitlines()[-1:]
            raise NotInstalled(f"{name}: not installed ({' '.join(reason)})")
        yield Peer(name, process, log)


def installed(python: Path | None, folder: Path, stack: ExitStack) -> dict[str, Peer]:
    """All peers that can be started, until the stack is closed; the others are named."""
    found = {}
    for name in PEERS:
        try:
            found[name] = stack.enter_context(peer(name, python, folder))
        except NotInstalled as missing:
            print(missing, flush=True)
    return found


def _end(process: "subprocess.Popen[str]") -> None:
    """End it by the end of its input, or else by force."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
