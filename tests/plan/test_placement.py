from typing import Literal

import pytest

from launcher.cluster.machine import Machine, this_machine
from launcher.cluster.profile import Local
from launcher.errors import InvalidInput
from launcher.plan.placement import Placement, place

CORES, GPUS = Machine(cores=8, gpus=0), Machine(cores=16, gpus=4)


def local(workers: int | None = None, accelerator: Literal["auto", "cpu", "gpu"] = "auto") -> Local:
    return Local(backend="local", workers=workers, accelerator=accelerator)


@pytest.mark.parametrize(
    ("profile", "machine", "placement"),
    [
        (local(), CORES, Placement(2, "cpu", 4)),
        (local(), Machine(cores=1, gpus=0), Placement(1, "cpu", 1)),
        (local(3), CORES, Placement(3, "cpu", 2)),
        (local(8), CORES, Placement(8, "cpu", 1)),
        (local(), GPUS, Placement(4, "cuda", 4)),
        (local(2), GPUS, Placement(2, "cuda", 8)),
        (local(accelerator="gpu"), Machine(cores=2, gpus=4), Placement(4, "cuda", 1)),
        (local(accelerator="cpu"), GPUS, Placement(2, "cpu", 8)),
    ],
)
def test_workers_are_placed_as_the_machine_allows(profile: Local, machine: Machine, placement: Placement) -> None:
    assert place(profile, machine) == placement


@pytest.mark.parametrize(
    ("profile", "machine", "has"),
    [(local(9), CORES, "8 cores"), (local(5), GPUS, "4 GPUs"), (local(99, "cpu"), GPUS, "16 cores")],
)
def test_more_workers_than_the_machine_holds_are_refused(profile: Local, machine: Machine, has: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        place(profile, machine)
    assert str(caught.value) == (
        f"cluster.workers: {profile.workers} workers do not fit this machine's {has}; "
        f"ask for {has.split(maxsplit=1)[0]} at the most"
        + (", or say cluster.oversubscribe: true" if has.endswith("cores") else "")
    )


def test_more_workers_than_cores_may_be_asked_for_in_a_rehearsal() -> None:
    profile = local(9).model_copy(update={"oversubscribe": True})
    assert place(profile, CORES) == Placement(9, "cpu", 1)
    with pytest.raises(InvalidInput, match="4 GPUs"):
        place(local(5).model_copy(update={"oversubscribe": True}), GPUS)


def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^cluster\.accelerator: gpu is asked for, but this machine has none"):
        place(local(accelerator="gpu"), CORES)


def test_gpus_that_are_hidden_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert this_machine().cores >= 1
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert this_machine().gpus == 0
