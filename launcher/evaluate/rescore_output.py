"""What `launcher evaluate` found, for a reader."""

from pathlib import Path

from rich.console import Console

from launcher.errors import InvalidInput
from launcher.evaluate.rescore import Evaluated
from launcher.evaluate.table import results_table
from launcher.evaluate.written import generations_jsonl


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


def keep_generations(found: Evaluated, file: str) -> None:
    """Write every prompt with what was wanted and what was written.

    Raises:
        InvalidInput: nothing was written, or the file cannot be.
    """
    if not found.generations:
        raise InvalidInput("--to: nothing was written that could be kept; give --generate N too")
    try:
        Path(file).write_bytes(generations_jsonl(found.generations))
    except OSError as error:
        raise InvalidInput(f"--to: {file} cannot be written: {error.strerror}; give another place") from error
