"""The store: all that a run asks of it, tried on every machine, from the first write to the speed."""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic

from launcher.doctor.figures import si
from launcher.doctor.nodes import Nodes
from launcher.doctor.verdict import Ask, State, Verdict
from launcher.errors import LauncherError
from launcher.storage.client import single_try
from launcher.storage.content import Content
from launcher.storage.ranges import read_range
from launcher.storage.retry import Retry, http_status, one_line
from launcher.storage.s3 import S3Object
from launcher.storage.store import Store
from launcher.storage.unfinished import abort, unfinished
from launcher.storage.upload import upload

NAME = "store"
BYTES = "B/s"
PATIENCE_S = 30.0
SIZE, RANGE, PARTS = 32 << 20, 8 << 20, 4
SLOW = 20e6
"""Bytes a second of one machine, at which a checkpoint of 10 GB takes 8 minutes."""
SMALL = b"what a run asks of its store"
REFUSED = (401, 403)


class Wrong(LauncherError):
    """The store answered, and not as a run needs it."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One machine's look at the store."""

    store: Store
    folder: str
    retry: Retry

    @property
    def small(self) -> str:
        return f"{self.folder}/small"

    @property
    def large(self) -> str:
        return f"{self.folder}/large"


@dataclass(frozen=True, slots=True)
class Step:
    """What is tried; gives bytes a second where it is timed, and None where the store has no such thing."""

    run: Callable[[Probe], float | str | None]
    needs: str
    """Permissions by S3's names; other stores have their like."""
    wrong: str = ""
    """The mend where the store answers wrongly."""


@dataclass(frozen=True, slots=True)
class Found:
    step: str
    speed: float | None = None
    absent: str | None = None
    """Why it cannot be tried here."""
    error: str | None = None
    kind: str = "wrong"
    """Of the error: a row of `MENDS`."""


def _write(probe: Probe) -> None:
    probe.store.create(probe.small, SMALL)


def _create_only(probe: Probe) -> None:
    once = f"{probe.folder}/once"
    probe.store.create(once, SMALL)
    if not probe.store.refuses(once):
        raise Wrong("an object was written over although it was to be created")


def _list(probe: Probe) -> None:
    if probe.small not in probe.store.list(probe.folder):
        raise Wrong("an object that was just written is not listed")


def _read(probe: Probe) -> None:
    if read_range(probe.store, probe.small, 5, 7, PATIENCE_S) != SMALL[5:12]:
        raise Wrong("a part of an object reads other bytes than were written")


def _multipart(probe: Probe) -> str | None:
    if not probe.store.is_s3:
        return "this store has none"
    name = f"{probe.folder}/parts"
    begun = S3Object(probe.store, name, probe.retry)
    number = begun.call("create_multipart_upload")["UploadId"]
    begun.call("upload_part", UploadId=number, PartNumber=1, Body=SMALL)
    listed = unfinished(probe.store, probe.folder, probe.retry).get(name, [])
    abort(probe.store, name, number, probe.retry)
    if number not in listed or name in unfinished(probe.store, probe.folder, probe.retry):
        raise Wrong("an upload that was begun is not listed, or stays after it was aborted")
    return None


def _upload(probe: Probe) -> float:
    descriptor = os.memfd_create("doctor")
    try:
        os.write(descriptor, os.urandom(1 << 20) * (SIZE >> 20))
        with ThreadPoolExecutor(PARTS) as pool:
            begun = monotonic()
            upload(probe.store, probe.large, Content(descriptor, SIZE), probe.retry, pool, read_back=False)
            return SIZE / (monotonic() - begun)
    finally:
        os.close(descriptor)


def _download(probe: Probe) -> float:
    with ThreadPoolExecutor(PARTS) as pool:
        begun = monotonic()
        ask = lambda offset: read_range(probe.store, probe.large, offset, RANGE, PATIENCE_S)  # noqa: E731
        got = sum(map(len, pool.map(ask, range(0, SIZE, RANGE))))
        took = monotonic() - begun
    if got != SIZE:
        raise Wrong(f"{got:,} of {SIZE:,} bytes came back")
    return SIZE / took


def _remove(probe: Probe) -> None:
    probe.store.remove(probe.folder)


STEPS = {
    "write": Step(_write, "s3:PutObject"),
    "create-only": Step(
        _create_only,
        "s3:PutObject",
        "without it two attempts could own one run; choose a store that knows If-None-Match",
    ),
    "list after write": Step(_list, "s3:ListBucket", "commits would not be found; choose a store that lists at once"),
    "range read": Step(_read, "s3:GetObject", "data are read by ranges; choose another store, or leave out its cache"),
    "multipart abort": Step(
        _multipart,
        "s3:PutObject, s3:ListBucketMultipartUploads and s3:AbortMultipartUpload",
        "parts that are left behind cost money; let the bucket's lifecycle remove them",
    ),
    "upload": Step(_upload, "s3:PutObject"),
    "download": Step(_download, "s3:GetObject", "see what stands between this machine and the store"),
    "remove": Step(_remove, "s3:DeleteObject"),
}
MENDS = {
    "absent": "create the bucket or folder, or mend cluster.storage",
    "refused": "allow {needs} to these credentials, or give others",
    "other": "see that the address is right and can be reached from {host}, and that credentials are there",
    "wrong": "{wrong}",
}


def look(ask: Ask) -> list[Found]:
    """Try one step after the other; without a first write there is nothing to try."""
    store = single_try(Store.open(ask.storage))
    probe = Probe(store, f"{ask.probe}/machine-{ask.number}", Retry(deadline=PATIENCE_S))
    found = []
    for name, step in STEPS.items():
        found.append(_try(name, step, probe))
        if name == "write" and found[-1].error is not None:
            break
    return found


def check(nodes: Nodes, ask: Ask) -> Iterator[Verdict]:
    answers = nodes.each(look, ask)
    yield from answers.failures(NAME)
    yield from judge(answers.told)


def judge(told: Mapping[str, list[Found]]) -> Iterator[Verdict]:
    for host, found in told.items():
        plain = [each for each in found if each.error is None and each.absent is None and each.speed is None]
        if plain:
            yield Verdict(NAME, "ok", host, ", ".join(each.step for each in plain), "done")
        yield from (_judge(host, each) for each in found if each not in plain)


def _try(name: str, step: Step, probe: Probe) -> Found:
    try:
        said = step.run(probe)
    except Wrong as error:
        return Found(name, error=one_line(error))
    except Exception as error:  # every store's client has errors of its own
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        return Found(name, error=one_line(cause), kind=_kind(cause))
    return Found(name, absent=said) if isinstance(said, str) else Found(name, said)


def _kind(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "absent"
    return "refused" if isinstance(error, PermissionError) or http_status(error) in REFUSED else "other"


def _judge(host: str, found: Found) -> Verdict:
    step = STEPS[found.step]
    if found.error is not None:
        mend = MENDS[found.kind].format(needs=step.needs, host=host, wrong=step.wrong)
        return Verdict(NAME, "fail", host, f"{found.step}: {found.error}", "done", mend)
    if found.absent is not None:
        return Verdict(NAME, "not here", host, f"{found.step}: {found.absent}")
    assert found.speed is not None
    slow = found.speed < SLOW
    state: State = "warn" if slow else "ok"
    told = f"{found.step}: {si(found.speed, BYTES)}"
    mend = "take a bucket near the machines, or a faster way there: commits wait for it" if slow else ""
    return Verdict(NAME, state, host, told, si(SLOW, BYTES), mend, found.speed, BYTES)
