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
    name, shared, hosts_file = sys.argv[1:]
    staged = Path("/mnt")
    for words in (
        ["hostname", name],
        ["mount", "-t", "proc", "proc", "/proc"],
        ["mount", "--bind", hosts_file, "/etc/hosts"],
        # What is shared may lie below the /tmp that is about to be covered
        ["mount", "--bind", shared, str(staged)],
        ["mount", "-t", "tmpfs", "-o", "mode=1777,size=2g", "tmpfs", "/tmp"],
        ["mount", "-t", "tmpfs", "-o", "mode=1777,size=2g", "tmpfs", "/dev/shm"],
        ["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"],
    ):
        subprocess.run(words, check=True)
    Path(shared).mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "--move", str(staged), shared], check=True)
    threading.Thread(target=_bury, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.buffer.read()


def _bury() -> None:
    while True:
        try:
            os.wait()
        except ChildProcessError:
            threading.Event().wait(0.2)


main()
