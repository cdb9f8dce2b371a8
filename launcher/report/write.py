"""`launcher report`: read a run, and write its page and pictures."""

from pathlib import Path

from launcher.draw.png import check_pillow, png
from launcher.errors import InvalidInput
from launcher.report.page import figures, page
from launcher.report.record import read_run
from launcher.storage.runs import find_run

REPORT = "report.html"
"""In the run directory."""


def write_report(run: str, to: str | None = None, pictures: str | None = None) -> list[str]:
    """Write the page, by default into the run directory; returns where everything was written.

    Args:
        run: Run directory as path or URL, or a run's id under `runs/`.
        to: A file on this machine to write instead.
        pictures: A folder on this machine for the figures as PNG; none where it is not given.

    Raises:
        InvalidInput: there is no such run, it was never begun, or Pillow is missing.
    """
    if pictures is not None:
        check_pillow("--png")
    store = find_run(run)
    record = read_run(store)
    if not record.attempts:
        raise InvalidInput(f"{store.location}: no attempt has opened this run yet, so there is nothing to report")
    drawn = figures(record)
    content = page(record, drawn).encode()
    if to is None:
        store.write(REPORT, content)
        written = [f"{store.location}/{REPORT}"]
    else:
        written = [_write(Path(to), content)]
    if pictures is not None:
        every = [figure for section in drawn.values() for figure in section]
        written += [_write(Path(pictures, f"{figure.name}.png"), png(figure)) for figure in every]
    return written


def _write(path: Path, content: bytes) -> str:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}; give another place") from error
    return str(path)
