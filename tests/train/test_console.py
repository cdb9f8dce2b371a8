"""Progress on a terminal and without one."""

import io

import pytest
from rich.console import Console

from launcher.train.console import RunConsole, progress_line
from launcher.train.desk import Progress, Stage
from launcher.train.step_record import StepRecord


def record(step: int, *, mfu: float | None = None) -> StepRecord:
    return StepRecord(step, 1.23456, 1e-3, 0.5, 4096, 123456.7, mfu, 1.5, seconds_left=61.0)


def test_a_progress_line_fits_80_columns():
    line = progress_line(record(99999, mfu=0.41), 100000)
    assert line == "step  99999/100000  loss 1.2346  123,457 tokens/s  MFU 41%  1:01 left"
    assert len(line) <= 80


@pytest.mark.parametrize("terminal", [True, False])
def test_the_last_step_and_every_line_stay(terminal: bool):
    output = io.StringIO()
    with RunConsole(Console(file=output, force_terminal=terminal, width=80)) as screen:
        screen.line("the plan")
        screen.show(Stage("scoring"))
        screen.show(Progress(record(1), 2))
        screen.show(Progress(record(2), 2, last=True))
    said = output.getvalue()
    assert "the plan\n" in said
    assert "step 2/2  loss 1.2346" in said


def test_without_a_terminal_there_are_plain_lines_and_not_too_many():
    output = io.StringIO()
    with RunConsole(Console(file=output, force_terminal=False, width=80)) as screen:
        for step in range(1, 100):
            screen.show(Progress(record(step), 100))
        screen.show(Progress(record(100), 100, last=True))
    lines = output.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["1/100", "100/100"]
    assert "\x1b" not in output.getvalue()
