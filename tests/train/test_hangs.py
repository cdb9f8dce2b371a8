"""Who is to blame for a step that does not end, and how long a step may take."""

from hypothesis import given
from hypothesis import strategies as st

from launcher.recipe.sentinel import Sentinel as Settings
from launcher.train.hangs import Frame, Stuck, Suspects, aside, stuck_line, suspects
from launcher.train.watchdog import FIRST_TIMES, allowed_s

LOOP = Frame("/x/launcher/train/loop.py", 120, "train")
AGREES = (LOOP, Frame("/x/launcher/train/agree.py", 51, "collect"))
BARRIER = (LOOP, Frame("/x/site-packages/torch/distributed/distributed_c10d.py", 4000, "barrier"))
BACKWARD = (
    LOOP,
    Frame("/x/launcher/train/engines/ddp.py", 50, "accumulate"),
    Frame("/x/torch/autograd/graph.py", 9, "_engine_run_backward"),
)
READS = (LOOP, Frame("/x/launcher/train/feed.py", 90, "next"), Frame("/x/launcher/data/stream/supply.py", 77, "load"))
SAVES = (LOOP, Frame("/x/launcher/train/saving.py", 80, "due"), Frame("/usr/lib/queue.py", 1, "get"))


def report(rank: int, stack: tuple[Frame, ...], busy: float = 0.0) -> Stuck:
    return Stuck(rank, f"host-{rank}", 31, 61.0, 0.5, busy, stack)


def of(*reports: Stuck) -> dict[int, Stuck]:
    return {each.rank: each for each in reports}


def test_a_rank_that_says_nothing_while_others_wait_is_named() -> None:
    found = of(report(0, AGREES), report(2, BACKWARD))
    assert suspects(found, 3) == Suspects(silent=(1,), busy=())
    assert stuck_line(found, 3, {1: "host-b"}) == (
        "step 31 has taken 61 s (0.5 s as a rule): rank 1 on host-b not heard of"
    )


def test_a_rank_that_reads_or_computes_while_others_wait_is_named_with_its_calls() -> None:
    found = of(report(0, READS), report(1, BARRIER), report(2, BACKWARD, busy=1.0))
    assert suspects(found, 3) == Suspects(silent=(), busy=(0, 2))
    line = stuck_line(of(report(0, READS), report(1, BARRIER)), 2, {})
    assert line == (
        "step 31 has taken 61 s (0.5 s as a rule): rank 0 in stream/supply.py:77 load < train/feed.py:90 next < "
        "train/loop.py:120 train"
    )


def test_where_all_wait_for_one_another_nobody_is_named() -> None:
    found = of(report(0, AGREES), report(1, BACKWARD))
    assert suspects(found, 2) == Suspects((), ())
    assert "every rank waits for the others, rank 0 in train/agree.py:51 collect" in stuck_line(found, 2, {})


@given(
    st.dictionaries(st.integers(0, 5), st.tuples(st.sampled_from([AGREES, BARRIER, BACKWARD, READS]), st.floats(0, 2)))
)
def test_every_rank_is_silent_busy_or_waits(drawn: dict[int, tuple[tuple[Frame, ...], float]]) -> None:
    reports = {rank: report(rank, stack, busy) for rank, (stack, busy) in drawn.items()}
    found = suspects(reports, 6)
    waiting = {rank for rank, each in reports.items() if each.waits}
    assert sorted([*found.silent, *found.busy, *waiting]) == list(range(6))


def test_saving_and_evaluating_are_no_part_of_a_step() -> None:
    assert aside(SAVES)
    assert aside((LOOP, Frame("/x/launcher/train/milestones.py", 1, "after"), *BARRIER))
    assert not any(aside(stack) for stack in (AGREES, BARRIER, BACKWARD, READS))


def test_a_step_may_take_a_multiple_of_the_usual_time_and_never_less_than_the_floor() -> None:
    settings = Settings(stuck_after_s=60.0, stuck_multiple=20.0)
    assert allowed_s([], settings) == allowed_s([1.0, 1.0], settings) == 60.0 * FIRST_TIMES
    assert allowed_s([0.5] * 9, settings) == 60.0
    assert allowed_s([30.0, 30.0, 30.0, 900.0], settings) == 600.0
