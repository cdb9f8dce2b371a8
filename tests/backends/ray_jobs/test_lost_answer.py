"""A dashboard that takes a job and hangs up before it says so."""

import pytest

from launcher.backends.ray_jobs.ray_jobs import RayBackend
from launcher.errors import LauncherError, RunOwned
from tests.backends.ray_jobs.test_job_package import submission


def test_a_job_that_was_taken_without_an_answer_is_found_and_not_sent_again(dashboard):
    kind, address = dashboard
    kind.hang_ups = 1
    wanted = submission(address=address)
    assert RayBackend(wanted.profile).submit(wanted) == "moods-1-a1"
    assert kind.sent == ["moods-1-a1"]


def test_a_job_that_was_lost_is_sent_again(dashboard):
    kind, address = dashboard
    kind.hang_ups = -1
    wanted = submission(address=address)
    assert RayBackend(wanted.profile).submit(wanted) == "moods-1-a1"
    assert kind.sent == ["moods-1-a1"] * 2


def test_a_dashboard_that_always_hangs_up_is_told_in_the_end(dashboard):
    kind, address = dashboard
    kind.hang_ups = -9
    wanted = submission(address=address)
    with pytest.raises(LauncherError, match="does not answer"):
        RayBackend(wanted.profile).submit(wanted)
    assert len(kind.sent) == 3


def test_a_run_that_has_a_living_job_is_not_sent(dashboard):
    kind, address = dashboard
    wanted = submission(address=address)
    RayBackend(wanted.profile).submit(wanted)
    with pytest.raises(RunOwned, match="already as moods-1-a1"):
        RayBackend(wanted.profile).submit(wanted)
    assert len(kind.sent) == 1
