"""What checks make of what machines found."""

import io
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from launcher.doctor import clock, collectives, disk, environment, gpus, paths, straggler, versions
from launcher.doctor.kernel_log import kernel_log
from launcher.doctor.pairs import rounds
from launcher.doctor.show import verdict_table
from launcher.doctor.verdict import Ask, Need, Verdict
from launcher.train.node_look import versions as own_versions

ASK = Ask("/runs", "/cache", ".probe-1", "cpu", 1, 2)


def failing(verdicts: list[Verdict]) -> list[str]:
    return [each.host for each in verdicts if each.state == "fail"]


def test_every_two_machines_meet_once_in_a_tournament_and_nobody_twice_at_a_time() -> None:
    for machines in range(2, 12):
        met = list(rounds(machines, most=100))
        assert all(each[other] == one for each in met for one, other in each.items())
        pairs = [(one, other) for each in met for one, other in each.items() if one < other]
        assert sorted(pairs) == [(a, b) for a in range(machines) for b in range(a + 1, machines)]
    assert len(list(rounds(1000))) == 12


@given(st.integers(3, 9), st.data())
def test_the_machine_behind_a_slow_link_is_named_and_no_other(machines: int, data: st.DataObject) -> None:
    slow = data.draw(st.integers(0, machines - 1))
    speeds = st.floats(8e9, 12e9)
    told = {
        f"n{one}": collectives.Look(
            one,
            1e8,
            1e8,
            tuple(
                (other, 2e8 if slow in (one, other) else data.draw(speeds)) for other in range(machines) if other != one
            ),
        )
        for one in range(machines)
    }
    found = list(collectives.judge(told))
    assert failing(found) == [f"n{slow}"]
    assert f"of n{slow}" in next(each.mend for each in found if each.state == "fail")


def test_a_slow_way_between_two_sound_machines_is_named_as_such() -> None:
    slow = {(0, 1), (1, 0)}
    told = {
        f"n{one}": collectives.Look(
            one, 1e9, 1e9, tuple((other, 1e8 if (one, other) in slow else 1e10) for other in range(4) if other != one)
        )
        for one in range(4)
    }
    (found,) = [each for each in collectives.judge(told) if each.state != "ok"]
    assert (found.state, found.host) == ("warn", "n0")
    assert found.found.startswith("with n1: ")


@given(st.lists(st.floats(0.9e12, 1.1e12), min_size=2, max_size=9), st.data())
def test_the_machine_that_computes_slower_than_its_peers_is_named_and_no_other(
    speeds: list[float], data: st.DataObject
) -> None:
    slow = data.draw(st.integers(0, len(speeds) - 1))
    told = {f"n{place}": [speed / 5 if place == slow else speed] for place, speed in enumerate(speeds)}
    assert failing(list(straggler.judge(told))) == [f"n{slow}"]


def test_a_slow_gpu_of_one_machine_is_named_by_its_number() -> None:
    (found,) = [each for each in straggler.judge({"n1": [7e14, 7e14, 2e14, 7e14]}) if each.state != "ok"]
    assert found.found.startswith("GPU 2: 200 TFLOP/s")


def test_a_clock_is_read_by_the_answer_that_came_soonest() -> None:
    now, waits = 1000.0, iter([3.0, 0.5, 3.0, 3.0, 3.0])

    def here() -> float:
        return now

    def there() -> float:
        nonlocal now
        told = now + 60
        now += next(waits)  # its answer comes late
        return told

    assert clock.offset(there, here, here) == clock.Offset(60 - 0.25, 0.25)


@pytest.mark.parametrize("off", [60.0, -60.0])
def test_the_machine_whose_clock_is_a_minute_off_is_named(off: float) -> None:
    offsets = {host: clock.Offset(seconds, 0.001) for host, seconds in {"n1": 0.0, "n2": off, "n3": 0.002}.items()}
    found = list(clock.judge_machines(offsets))
    assert failing(found) == ["n2"]
    assert found[1].found == f"60 s {'ahead of' if off > 0 else 'behind'} the other machines"
    assert "on n2" in found[1].mend or "clock of n2" in found[1].mend


def test_a_clock_against_that_of_a_disk_is_right_unless_ours_is_wrong(tmp_path: Path) -> None:
    ask = Ask(str(tmp_path), "", ".probe-1", "cpu", 1, 1)
    assert abs(clock.of_store(ask).seconds) < 1
    assert abs(clock.of_store(ask, lambda: time.time() + 60).seconds + 60) < 1


def test_the_machine_whose_package_differs_is_named_even_where_it_is_the_drivers() -> None:
    right = own_versions()
    told = {"n1": {**right, "torch": "2.0"}, "n2": right, "n3": right}
    (found,) = [each for each in versions.judge(told) if each.state != "ok"]
    assert (found.state, found.host, found.found) == ("fail", "n1", "torch 2.0")
    assert f"install torch {right['torch']} on n1" in found.mend


def test_variables_that_the_driver_has_and_a_machine_lacks_are_told_unless_they_are_handed_on() -> None:
    needs = (Need("KEY", "cluster.secrets names it", handed=True), Need("OTHER", "a reason"))
    driver = environment.Look((), frozenset({"NCCL_IB_HCA", "HF_HOME"}))
    machine = environment.Look(("KEY", "OTHER"), frozenset({"HF_HOME"}))
    found = list(environment.judge({"n2": machine}, driver, needs))
    assert [(each.state, each.found) for each in found] == [
        ("fail", "no OTHER; the driver has it"),
        ("warn", "without the driver's NCCL_IB_HCA"),
    ]


def test_a_machine_that_writes_to_a_storage_of_its_own_is_named() -> None:
    told = {"n1": paths.Look(None, "seen-by-0", ()), "n2": paths.Look(None, "seen-by-1", ())}
    found = list(paths.judge(told, {"seen-by-0"}, ASK))
    assert failing(found) == ["n2"]
    assert "is not seen by the driver" in found[1].found


def test_a_path_of_the_recipe_that_one_machine_does_not_see_is_named_with_its_key(tmp_path: Path) -> None:
    ask = replace(ASK, storage=str(tmp_path), paths=(("model.name_or_path", "/models/mine"),))
    blind = paths.look(ask)
    told = {"n1": replace(blind, blind=None, absent=()), "n2": replace(blind, blind=None)}
    found = list(paths.judge(told, {blind.wrote}, ask))
    assert failing(found) == ["n2"]
    assert found[1].found == "model.name_or_path: /models/mine cannot be read"


def test_a_disk_that_takes_nothing_is_told_with_what_it_said() -> None:
    (found,) = disk.judge({"n1": [disk.Place("cache", "/cache", 10**12, refused="Read-only file system")]})
    assert (found.state, found.found) == ("fail", "cache /cache cannot be written: Read-only file system")


SMI = """#!/bin/sh
if [ "$1" = nvlink ]; then cat {links}; else cat {xml}; fi
"""
GPU = """
<gpu id="00000000:{number}9:00.0"><product_name>NVIDIA H100 80GB HBM3</product_name>
<fb_memory_usage><total>81559 MiB</total><reserved>551 MiB</reserved><used>{used} MiB</used></fb_memory_usage>
<ecc_errors><volatile><sram_correctable>9</sram_correctable>
<sram_uncorrectable_parity>0</sram_uncorrectable_parity><sram_uncorrectable_secded>N/A</sram_uncorrectable_secded>
<dram_uncorrectable>{ecc}</dram_uncorrectable></volatile>
<aggregate><dram_uncorrectable>7</dram_uncorrectable></aggregate></ecc_errors>
<remapped_rows><remapped_row_pending>{pending}</remapped_row_pending>
<remapped_row_failure>No</remapped_row_failure></remapped_rows></gpu>"""
SOUND = {"used": 4, "ecc": 0, "pending": "No"}


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """A script in place of nvidia-smi, as this machine has no GPU: it prints what nvidia-smi 535 does."""

    def make(*told: dict[str, object], links: tuple[int, ...] = ()) -> None:
        parts = [GPU.format(number=number, **SOUND | each) for number, each in enumerate(told)]
        driver = "<driver_version>535.129.03</driver_version>"
        (tmp_path / "xml").write_text(f"<nvidia_smi_log>{driver}{''.join(parts)}</nvidia_smi_log>")
        lines = [
            f"GPU {number}: NVIDIA H100 80GB HBM3 (UUID: GPU-{number})\n"
            + "".join(f"\t Link {link}: {'26.562 GB/s' if link < up else '<inactive>'}\n" for link in range(18))
            for number, up in enumerate(links)
        ]
        (tmp_path / "links").write_text("".join(lines))
        script = tmp_path / "nvidia-smi"
        script.write_text(SMI.format(links=tmp_path / "links", xml=tmp_path / "xml"))
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return make


def judged(expected: int) -> list[tuple[str, str]]:
    found = gpus.judge({"n1": gpus.look(ASK)}, expected)
    return [(each.state, each.found) for each in found if "XID" not in each.found]


def test_sound_gpus_are_counted(smi) -> None:  # type: ignore[no-untyped-def]
    smi({}, {}, links=(18, 18))
    assert judged(2) == [
        ("ok", "2 GPUs: NVIDIA H100 80GB HBM3"),
        ("ok", "driver 535.129.03"),
        ("ok", "18 NVLinks a GPU"),
    ]


def test_what_is_wrong_with_a_gpu_is_told_with_its_number(smi) -> None:  # type: ignore[no-untyped-def]
    smi({}, {"ecc": 3, "pending": "Yes"}, {"used": 40960}, links=(18, 18, 17))
    assert [each for each in judged(4) if each[0] != "ok"] == [
        ("fail", "3 GPUs: NVIDIA H100 80GB HBM3"),
        ("fail", "GPU 1: row remapping is pending, 3 uncorrected ECC errors"),
        ("warn", "GPU 2: 40.0 GiB in use"),
        ("fail", "NVLinks of GPU 2 (17)"),
    ]


def test_a_machine_without_a_driver_is_named_where_gpus_are_asked_for() -> None:
    (found,) = gpus.judge({"n1": None}, 8)
    assert (found.state, found.host, found.found) == ("fail", "n1", "no nvidia-smi")


def test_xids_that_a_program_causes_are_no_fault_of_the_machine(tmp_path: Path) -> None:
    log = tmp_path / "kmsg"
    log.write_text(
        "4,1,0,-;NVRM: Xid (PCI:0000:3b:00): 31, pid=9, MMU Fault\n"
        "4,2,0,-;NVRM: Xid (PCI:0000:3b:00): 79, pid=9, GPU has fallen off the bus.\n"
    )
    told = kernel_log(str(log))
    assert told is not None
    assert [int(each["code"]) for each in gpus.XID.finditer(told)] == [31, 79]
    look = gpus.Look("535", (), (31, 79))
    (found,) = [each for each in gpus.judge({"n1": look}, 0) if "XID" in each.found]
    assert (found.state, found.found) == ("fail", "XID 79 in the kernel's log")
    assert kernel_log(str(tmp_path / "absent")) is None


def test_what_is_alike_on_several_machines_is_one_row_with_its_lowest_figure() -> None:
    def row(host: str, state: str, figure: float) -> Verdict:
        return Verdict("store", state, host, f"upload: {figure:g} MB/s", figure=figure, unit="B/s")  # type: ignore[arg-type]

    verdicts = [row("n1", "ok", 30), row("n2", "ok", 20), row("n3", "warn", 1), Verdict("gpus", "not here", "", "CPUs")]
    shown = io.StringIO()
    Console(file=shown, width=80).print(verdict_table(verdicts, 80))
    lines = [line.split() for line in shown.getvalue().splitlines()[1:]]
    assert lines == [
        ["store", "ok", "n1,", "n2", "upload:", "20", "MB/s"],
        ["store", "warn", "n3", "upload:", "1", "MB/s"],
        ["gpus", "not", "here", "CPUs"],
    ]
