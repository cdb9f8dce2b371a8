"""One rank that opens a data set and takes its first batch; prints seconds, bytes and the size of the cursor."""

import json
import sys
import time
from contextlib import closing
from pathlib import Path

from benchmarks.loading import ours
from launcher.data.prepared.opened import open_prepared
from launcher.storage.store import Store


def own_memory() -> int:
    """Bytes in RAM that are this process's alone and no file's."""
    fields = dict(line.split(":") for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:])
    return int(fields["Anonymous"].split()[0]) * 1024


def main() -> None:
    folder, capacity = sys.argv[1:]
    before, started = own_memory(), time.perf_counter()
    opened = open_prepared(Store.open(folder), None)
    open_s, started = time.perf_counter() - started, time.perf_counter()
    with closing(ours.batches(opened, int(capacity))) as reading:
        _, cursor = next(reading)
        first_s, after = time.perf_counter() - started, own_memory()
    told = {"open": open_s, "first": first_s, "before": before, "after": after, "cursor": len(cursor.to_json())}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
