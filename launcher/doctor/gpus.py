"""GPUs, as nvidia-smi tells of them: number, driver, memory errors, what takes their memory, NVLink; and XID errors."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

from launcher.doctor.kernel_log import kernel_log
from launcher.doctor.nodes import Nodes
from launcher.doctor.verdict import Ask, State, Verdict

NAME = "gpus"
PATIENCE_S = 60
TAKEN_MIB = 1024.0
"""That a GPU may have in use before a run; drivers take some hundred."""
XID = re.compile(r"NVRM: Xid \((?P<where>[^)]*)\): (?P<code>\d+)")
HARMLESS = {13, 31, 43, 45}
"""XIDs that a program of the user's causes (https://docs.nvidia.com/deploy/xid-errors/)."""
GPU_LINE = re.compile(r"^GPU \d+:")
LINK = re.compile(r"^\s*Link \d+: [\d.]+ GB/s")


@dataclass(frozen=True, slots=True)
class Gpu:
    name: str
    used: float
    """MiB."""
    uncorrected: int
    """ECC errors since the driver was loaded."""
    repairs: tuple[str, ...]
    """Of its memory, that wait for a reset or have failed."""
    links: int = 0
    """NVLink's, that are up."""


@dataclass(frozen=True, slots=True)
class Look:
    driver: str
    gpus: tuple[Gpu, ...]
    xids: tuple[int, ...] | None
    """Of the kernel's log; None where that cannot be read."""


def look(ask: Ask) -> Look | None:
    """None where there is no NVIDIA driver.

    Raises:
        CalledProcessError, TimeoutExpired: nvidia-smi fails or hangs, as when a GPU has fallen off the bus.
    """
    if shutil.which("nvidia-smi") is None:
        return None
    told = ElementTree.fromstring(_nvidia_smi("-q", "-x"))
    links = _links(_nvidia_smi("nvlink", "--status", check=False))
    gpus = [_gpu(each, links[place] if place < len(links) else 0) for place, each in enumerate(told.iter("gpu"))]
    log = kernel_log()
    xids = None if log is None else tuple(int(each["code"]) for each in XID.finditer(log))
    return Look(told.findtext("driver_version", ""), tuple(gpus), xids)


def check(nodes: Nodes, ask: Ask) -> Iterator[Verdict]:
    if ask.device == "cpu":
        yield Verdict(NAME, "not here", "", "training is on CPUs")
        return
    answers = nodes.each(look, ask)
    yield from answers.failures(NAME)
    yield from judge(answers.told, ask.ranks)


def judge(told: Mapping[str, Look | None], expected: int) -> Iterator[Verdict]:
    """Args:
    expected: GPUs of a machine.
    """
    looks = {host: each for host, each in told.items() if each is not None}
    drivers = [each.driver for each in looks.values()]
    for host, each in told.items():
        if each is None:
            mend = "install NVIDIA's driver there, or leave the machine out"
            yield Verdict(NAME, "fail", host, "no nvidia-smi", f"{expected} GPUs", mend)
            continue
        count = len(each.gpus)
        mend = "see nvidia-smi and dmesg there; reset or replace what is missing, or lower cluster.gpus_per_node"
        names = ", ".join(sorted({gpu.name for gpu in each.gpus}))
        yield _verdict(
            host, count >= expected, "fail", found=f"{count} GPUs: {names}", expected=f"{expected} GPUs", mend=mend
        )
        usual = max(drivers, key=drivers.count)
        right, mend = each.driver == usual, f"install {usual} there"
        yield _verdict(host, right, "warn", found=f"driver {each.driver}", expected=usual, mend=mend)
        yield from _judge_health(host, each)


def _judge_health(host: str, look: Look) -> Iterator[Verdict]:
    for number, gpu in enumerate(look.gpus):
        bad = [*gpu.repairs, *([f"{gpu.uncorrected} uncorrected ECC errors"] if gpu.uncorrected else [])]
        if bad:
            mend = "reset the GPU (nvidia-smi -r) or restart the machine; where it comes again, have it replaced"
            yield Verdict(NAME, "fail", host, f"GPU {number}: {', '.join(bad)}", "sound memory", mend)
        if gpu.used > TAKEN_MIB:
            mend = "see nvidia-smi for the process that has it, and end that"
            found = f"GPU {number}: {gpu.used / 1024:.1f} GiB in use"
            yield Verdict(NAME, "warn", host, found, "free memory", mend, gpu.used * 2**20, "B")
    most = max((gpu.links for gpu in look.gpus), default=0)
    short = [f"{number} ({gpu.links})" for number, gpu in enumerate(look.gpus) if gpu.links < most]
    if most:
        mend = "see nvidia-smi nvlink -s and the fabric manager's log there"
        found = f"NVLinks of GPU {', '.join(short)}" if short else f"{most} NVLinks a GPU"
        yield _verdict(host, not short, "fail", found=found, expected=f"{most} up", mend=mend)
    else:
        yield Verdict(NAME, "not here", host, "no NVLink")
    yield _judge_xids(host, look.xids)


def _judge_xids(host: str, xids: tuple[int, ...] | None) -> Verdict:
    if xids is None:
        return Verdict(NAME, "not here", host, "XID errors: the kernel's log may not be read")
    serious = sorted(set(xids) - HARMLESS)
    found = f"XID {', '.join(map(str, serious))} in the kernel's log" if serious else "no XID errors"
    mend = "look them up in NVIDIA's list of XID errors; drain the machine where they come again"
    return _verdict(host, not serious, "fail", found=found, expected="none", mend=mend)


def _verdict(host: str, right: bool, wrong: State, *, found: str, expected: str, mend: str) -> Verdict:
    return Verdict(NAME, "ok" if right else wrong, host, found, expected, "" if right else mend)


def _nvidia_smi(*words: str, check: bool = True) -> str:
    return subprocess.run(
        ["nvidia-smi", *words], capture_output=True, text=True, timeout=PATIENCE_S, check=check
    ).stdout


def _gpu(told: ElementTree.Element, links: int) -> Gpu:
    volatile = told.find("ecc_errors/volatile")
    errors = [each.text or "" for each in ([] if volatile is None else volatile) if "uncorrectable" in each.tag]
    waiting = {
        "row remapping is pending": told.findtext("remapped_rows/remapped_row_pending"),
        "row remapping failed": told.findtext("remapped_rows/remapped_row_failure"),
        "page retirement is pending": told.findtext("retired_pages/pending_retirement"),
    }
    return Gpu(
        told.findtext("product_name", ""),
        float(told.findtext("fb_memory_usage/used", "0").split()[0]),
        sum(int(each) for each in errors if each.isdigit()),
        tuple(what for what, said in waiting.items() if said == "Yes"),
        links,
    )


def _links(told: str) -> list[int]:
    """How many are up, of each GPU in turn."""
    counts: list[int] = []
    for line in told.splitlines():
        if GPU_LINE.match(line):
            counts.append(0)
        elif counts and LINK.match(line):
            counts[-1] += 1
    return counts
