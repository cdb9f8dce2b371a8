"""What a checkpoint costs: the loop's stall, the upload, and the verification, each beside what else does it.

Every round runs all sides of a section in turn; printed are medians over rounds, with the smallest and largest, and
ratios within a round to the section's first side. The S3 server is moto's, in a process of its own on the same cores:
its figures are good for ratios only.

    .venv/bin/python -m benchmarks.checkpoint [--rounds 5] [--only stall upload verify]
"""

import argparse
import itertools
import logging
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import boto3
import numpy as np
import torch
from boto3.s3.transfer import TransferConfig
from pyarrow.fs import S3FileSystem
from ray.train.v2._internal.execution.storage import _upload_to_fs_path
from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions
from torch.distributed.checkpoint.state_dict_saver import async_save

from launcher.checkpoint.fragment import Fragment, Slot
from launcher.checkpoint.snapshot import THREADS, Snapshot
from launcher.storage.client import single_try
from launcher.storage.content import Content
from launcher.storage.retry import Retry
from launcher.storage.s3 import S3Object
from launcher.storage.store import Store
from launcher.storage.upload import upload
from tests.faults.s3 import KEYS, client, new_bucket, s3_server

HIDDEN, WIDE, LAYERS, WORDS = 384, 1024, 6, 16_000
FILES = 8
PARTS = 16
Side = Callable[[], float]
"""Does its work once; seconds of what is measured."""


def fragments() -> list[Fragment]:
    """Weights and both moments of a Llama of 23 million parameters."""
    layer = {f"attention.{i}": HIDDEN * HIDDEN for i in range(4)} | {f"mlp.{i}": HIDDEN * WIDE for i in range(3)}
    sizes = {f"{n}.{name}": size for n in range(LAYERS) for name, size in {**layer, "norm": HIDDEN}.items()}
    sizes |= {"embed": WORDS * HIDDEN, "head": WORDS * HIDDEN}
    slots = [(Slot(name, kind), size) for name, size in sizes.items() for kind in ("weight", "exp_avg", "exp_avg_sq")]
    return [Fragment(slot, 0, size, torch.randn(size)) for slot, size in slots]


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def two_thread_copy(source: np.ndarray, target: np.ndarray, pool: ThreadPoolExecutor) -> None:
    cuts = [len(source) * part // THREADS for part in range(THREADS + 1)]
    jobs = [pool.submit(np.copyto, target[a:b], source[a:b]) for a, b in itertools.pairwise(cuts)]
    for job in jobs:
        job.result()


@contextmanager
def stall_sides(folder: Path) -> Iterator[dict[str, Side]]:
    state = fragments()
    size = sum(each.values.nbytes for each in state)
    source, target = np.random.default_rng(0).integers(0, 255, size, np.uint8), np.zeros(size, np.uint8)
    named = {f"{each.slot.parameter}.{each.slot.name}": each.values for each in state}
    print(f"stall: {size / 1e6:.0f} MB in {len(state)} tensors")
    snapshot, pool = Snapshot(), ThreadPoolExecutor(THREADS)

    options = StagingOptions(
        use_pinned_memory=False, use_shared_memory=True, use_async_staging=False, use_non_blocking_copy=False
    )
    stager = DefaultStager(options)  # kept, so that it allocates once

    def dcp_async() -> float:
        start = time.perf_counter()
        saved = async_save(named, checkpoint_id=folder / "dcp", async_stager=stager)
        stalled = time.perf_counter() - start
        assert isinstance(saved, Future)
        saved.result()
        return stalled

    yield {
        "two-thread memcpy": lambda: timed(lambda: two_thread_copy(source, target, pool)),
        "launcher": lambda: timed(lambda: snapshot.take(state)),
        "DCP async_save": dcp_async,
        "torch.save": lambda: timed(lambda: torch.save(named, folder / "state.pt")),
    }
    snapshot.close()
    pool.shutdown()


def _serve(ready: Connection) -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with s3_server() as url:
        ready.send(url)
        ready.recv()


@contextmanager
def s3_store() -> Iterator[Store]:
    """In a bucket of a server that is not on this process's lock."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,))
    server.start()
    try:
        os.environ |= KEYS | {"AWS_ENDPOINT_URL": ours.recv()}
        yield single_try(Store.open(f"s3://{new_bucket(os.environ['AWS_ENDPOINT_URL'])}/run"))
    finally:
        ours.send("end")
        server.join()


@contextmanager
def contents(folder: Path, number: int) -> Iterator[list[Content]]:
    """So many files of 200 MB together."""
    with ExitStack() as stack:
        made = []
        for each in range(number):
            path = folder / f"part-{number}-{each}"
            path.write_bytes(os.urandom(200_000_000 // number))
            file = stack.enter_context(path.open("rb"))
            made.append(Content(file.fileno(), path.stat().st_size))
        yield made


def upload_all(store: Store, files: list[Content]) -> None:
    with ThreadPoolExecutor(len(files)) as pool, ThreadPoolExecutor(PARTS) as parts:
        send = partial(upload, retry=Retry(), parts=parts, read_back=False)
        list(pool.map(lambda each: send(store, f"ours/{each[0]}", each[1]), enumerate(files)))


@contextmanager
def upload_sides(folder: Path) -> Iterator[dict[str, Side]]:
    with s3_store() as store, contents(folder, 1) as one, contents(folder, FILES) as several:
        bucket, transfer = store.root.partition("/")[0], TransferConfig(max_concurrency=4)
        boto: boto3.client = client(os.environ["AWS_ENDPOINT_URL"])
        paths = [str(folder / f"part-{FILES}-{each}") for each in range(FILES)]
        targets = [f"{store.root}/s3fs/{each}" for each in range(FILES)]
        fs = Store.open(store.location).fs
        whole, server = str(folder / "part-1-0"), os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
        (folder / "files").mkdir()
        for each in paths:
            os.link(each, folder / "files" / Path(each).name)
        ray_fs = S3FileSystem(
            access_key="test", secret_key="test", region="us-east-1", scheme="http", endpoint_override=server
        )
        print(f"upload: 200 MB to moto, {FILES} files or one")
        yield {
            "boto3, 4 threads": lambda: timed(lambda: boto.upload_file(whole, bucket, "boto", Config=transfer)),
            "s3fs, 8 files": lambda: timed(lambda: fs.put(paths, targets)),
            "Ray Train, 8 files": lambda: timed(
                lambda: _upload_to_fs_path(str(folder / "files"), ray_fs, f"{store.root}/ray")
            ),
            "launcher, 8 files": lambda: timed(lambda: upload_all(store, several)),
            "launcher, one file": lambda: timed(lambda: upload_all(store, one)),
        }


@contextmanager
def verify_sides(folder: Path) -> Iterator[dict[str, Side]]:
    with s3_store() as store, contents(folder, 1) as (one,), ThreadPoolExecutor(PARTS) as parts:
        disk = Store.open(str(folder / "disk"))
        sender = S3Object(store, "unverified", Retry())
        print("verify: 200 MB, one file")

        yield {
            "disk, unverified": lambda: timed(lambda: disk.put(one.path, "unverified")),
            "disk, verified": lambda: timed(lambda: upload_all(disk, [one])),
            "S3, unverified": lambda: timed(lambda: sender.send_parts(one, parts)),
            "S3, verified": lambda: timed(lambda: upload_all(store, [one])),
        }


SECTIONS = {"stall": stall_sides, "upload": upload_sides, "verify": verify_sides}
AGAINST = {"S3, verified": "S3, unverified"}
"""What a side is compared with, where that is not the first."""


def show(sides: dict[str, Side], rounds: int) -> None:
    found: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for number in range(-1, rounds):  # the first round warms up and does not count
        for name in names[number % len(names) :] + names[: number % len(names)]:
            seconds = sides[name]()
            if number >= 0:
                found[name].append(seconds)
    print(f"  {'side':<20} {'ms':>8} {'min':>8} {'max':>8} {'ratio':>7} {'min':>7} {'max':>7}")
    for name, times in found.items():
        ratios = [a / b for a, b in zip(times, found[AGAINST.get(name, names[0])], strict=True)]
        numbers = [1e3 * each for each in (statistics.median(times), min(times), max(times))]
        ratio = (statistics.median(ratios), min(ratios), max(ratios))
        print(f"  {name:<20} " + " ".join(f"{x:>8.1f}" for x in numbers) + " " + " ".join(f"{x:>7.2f}" for x in ratio))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=list(SECTIONS), default=list(SECTIONS))
    chosen = parser.parse_args()
    torch.set_num_threads(2)
    for name in chosen.only:
        with tempfile.TemporaryDirectory() as folder, SECTIONS[name](Path(folder)) as sides:
            show(sides, chosen.rounds)


if __name__ == "__main__":
    main()
