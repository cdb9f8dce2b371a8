"""The first process of a host in namespaces: sets it up, buries the dead, and ends when its standard input does.

Its end is the host's: the kernel kills whatever is left in the namespace. Started by `hosts.py`; nothing is imported
but the standard library, so that it starts at once.
"""

import os
import subprocess
import sys
import threading
from pathlib import Path


def main() -> None:
    name, hosts_file, *shared = sys.argv[1:]
    _run("hostname", name)
    _run("mount", "-t", "proc", "proc", "/proc")
    _run("mount", "--bind", hosts_file, "/etc/hosts")
    _run("mount", "-t", "tmpfs", "tmpfs", "/mnt")
    # What is shared may lie below the /tmp that is about to be covered
    staged = {Path("/mnt", str(number)): Path(folder) for number, folder in enumerate(shared)}
    for place, folder in staged.items():
        place.mkdir()
        _run("mount", "--bind", str(folder), str(place))
    _run("mount", "-t", "tmpfs", "-o", "mode=1777,size=2g", "tmpfs", "/tmp")
    _run("mount", "-t", "tmpfs", "-o", "mode=1777,size=2g", "tmpfs", "/dev/shm")
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for place, folder in staged.items():
        folder.mkdir(parents=True, exist_ok=True)
        _run("mount", "--move", str(place), str(folder))
    threading.Thread(target=_bury, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.buffer.read()


def _run(*words: str) -> None:
    subprocess.run(words, check=True)


def _bury() -> None:
    while True:
        try:
            os.wait()
        except ChildProcessError:
            threading.Event().wait(0.2)


main()
