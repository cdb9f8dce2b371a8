"""What `launcher evaluate` found, for a reader."""

from pathlib import Path

from rich.console import Console

from launcher.errors import InvalidInput
from launcher.evaluate.rescore import Evaluated
from launcher.evaluate.table import results_table
from launcher.evaluate.written import generations_jsonl
from launcher.storage.layout import GENERATIONS
from launcher.storage.runs import find_run


def show(found: Evaluated) -> None:
    """Print it to standard output."""
    console = Console()
    if found.labelled:
        console.print(results_table(found.labelled, console.width))
    for name, loss in found.completed.items():
        interval = f"[{loss.loss_low:.4f}, {loss.loss_high:.4f}]"
        print(f"{name:<9} loss {loss.loss:.4f} {interval}, perplexity {loss.perplexity:.2f}, {loss.rows:,} rows")
    for name, each in found.written.items():
        rouge = f"ROUGE-L {each.rouge_l:.3f} [{each.rouge_l_low:.3f}, {each.rouge_l_high:.3f}]"
        equal = f"exact match {each.exact_match:.3f} [{each.exact_match_low:.3f}, {each.exact_match_high:.3f}]"
        print(f"{name:<9} {rouge}, {equal}")


def keep_generations(found: Evaluated, run: str | None, file: str | None) -> None:
    """Write every prompt with what was wanted and what was written.

    Args:
        run: A run's directory, to keep it there for its report.
        file: A file on this machine.

    Raises:
        InvalidInput: the file cannot be written.
    """
    content = generations_jsonl(found.generations)
    if run is not None:
        find_run(run).write(GENERATIONS, content)
    if file is None:
        return
    try:
        Path(file).write_bytes(content)
    except OSError as error:
        raise InvalidInput(f"--to: {file} cannot be written: {error.strerror}; give another place") from error
