"""What a run measured as it trained, as charts."""

from collections.abc import Callable
from dataclasses import dataclass

from launcher.draw.figure import Figure, Ink
from launcher.draw.scale import short
from launcher.report.chart import Series, line_chart
from launcher.report.record import RunRecord, curve


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number that events tell at some steps, and how it is drawn."""

    name: str
    title: str
    fields: tuple[str, ...]
    """Names in the events: a curve each."""
    validation: tuple[str, ...] = ()
    """Names in the evaluations."""
    from_zero: bool = False
    write: Callable[[float], str] = short


QUANTITIES = (
    Quantity("loss", "Loss, nats a label token", ("loss",), ("loss",)),
    Quantity("accuracy", "Accuracy on validation rows", (), ("accuracy", "macro_f1")),
    Quantity("learning-rate", "Learning rate", ("learning_rate",), from_zero=True),
    Quantity("throughput", "Tokens a second, all ranks", ("tokens_per_second",), from_zero=True),
    Quantity(
        "utilisation", "Model FLOP utilisation (MFU)", ("mfu",), from_zero=True, write=lambda share: f"{share:.0%}"
    ),
    Quantity("memory", "Peak memory of rank 0, GiB", ("memory_gib",), from_zero=True),
    Quantity("gradient-norm", "Gradient norm", ("grad_norm",), from_zero=True),
)
NOISY = {"loss", "grad_norm", "tokens_per_second"}
VALIDATION: dict[str, tuple[str, Ink]] = {
    "loss": ("validation", "second"), "accuracy": ("accuracy", "first"), "macro_f1": ("macro-F1", "second")
}  # fmt: skip


def curves(run: RunRecord) -> list[Figure]:
    """A chart for every quantity that the run tells."""
    figures = []
    for quantity in QUANTITIES:
        series = _series(run, quantity)
        if series:
            figures.append(
                line_chart(quantity.name, quantity.title, series, from_zero=quantity.from_zero, write=quantity.write)
            )
    return figures


def _series(run: RunRecord, quantity: Quantity) -> list[Series]:
    found = []
    for field in quantity.fields:
        redone = curve(run.redone, field)
        if redone:
            found.append(Series("done again", sorted(redone), "muted", dots=len(redone) < 30))
        found.append(Series("training", run.curve(field), "first", noisy=field in NOISY))
    for field in quantity.validation:
        name, ink = VALIDATION[field]
        found.append(Series(name, curve(run.evaluations, field), ink, dots=True))
    return [each for each in found if each.points]
