"""Processes that a cluster starts with, and what they have imported when they are asked for something."""

import os
import sys
from collections import Counter

import ray

from launcher.plan.placement import Placement
from launcher.train.ray_local import local_ray
from launcher.train.warm import CONTROLLER, FIRST_RANK, VARIABLE, WarmUp, warm_up

RANK, CONTROL, TORCH = "launcher.train.worker", "launcher.train.controller", "ray.train.torch"


class Asked:
    def imported(self) -> tuple[int, tuple[str, ...]]:
        return os.getpid(), tuple(name for name in (RANK, CONTROL, TORCH) if name in sys.modules)


def test_an_attempts_actors_get_processes_that_wait_with_their_imports_done(tmp_path):
    with local_ray(Placement(1, "cpu", 1), warm=True) as folder:
        asked = ray.remote(Asked).options(num_cpus=0)
        actors = [asked.remote() for _ in range(FIRST_RANK + 1)]
        told = dict(ray.get([actor.imported.remote() for actor in actors]))
        assert sorted(each.name for each in folder.glob("process-*")) == [f"process-{n}" for n in range(FIRST_RANK + 1)]
    assert Counter(told.values()) == {(): 2, (RANK, TORCH): 1, (CONTROL, TORCH): 1}


def test_a_process_that_came_later_imports_nothing(tmp_path, monkeypatch):
    told = WarmUp(ranks=1, device="cpu", quantised=False, folder=str(tmp_path))
    for place in range(told.processes):
        (tmp_path / f"process-{place}").touch()
    before = set(sys.modules)
    for name, value in told.variables.items():
        monkeypatch.setenv(name, value)
    warm_up()
    monkeypatch.delenv(VARIABLE)
    warm_up()
    assert set(sys.modules) == before


def test_where_ray_keeps_gpus_apart_no_rank_imports_what_may_look_for_them(tmp_path, monkeypatch):
    told = WarmUp(ranks=2, device="cuda", quantised=True, folder=str(tmp_path))
    imported = []
    monkeypatch.setattr("launcher.train.warm._import_ray_train", lambda: imported.append("ray.train"))
    monkeypatch.setattr("launcher.train.warm._import_rank", lambda told: imported.append("rank"))
    monkeypatch.setenv(VARIABLE, told.variables[VARIABLE])
    for _ in range(told.processes):
        warm_up()
    assert (CONTROLLER, imported) == (1, ["ray.train"] * 3)
