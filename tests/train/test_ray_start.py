"""A driver that is told to end while Ray starts."""

import subprocess
import sys

import pytest

CODE = """
import os, signal, sys
from ray._private import worker
from launcher.plan.placement import Placement
from launcher.train.ray_local import local_ray

class Ended(BaseException):
    pass

def end(number, frame):
    raise Ended

connect, told = worker.connect, getattr(signal, sys.argv[1])

def told_before_and_after(*words, **named):
    os.kill(os.getpid(), told)
    connect(*words, **named)
    os.kill(os.getpid(), told)

signal.signal(told, end)
worker.connect = told_before_and_after
try:
    with local_ray(Placement(1, "cpu", 1)):
        print("not told")
except Ended:
    print("told")
    signal.sigtimedwait([], 4)  # longer than the alarm that Ray's handler in C++ sets
    print("alive")
"""


@pytest.mark.parametrize("signum", ["SIGTERM", "SIGUSR2"])
def test_ray_starts_whole_and_is_shut_down_before_the_driver_ends(signum):
    command = [sys.executable, "-c", CODE, signum]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "told\nalive\n"), done.stderr[-2000:]
