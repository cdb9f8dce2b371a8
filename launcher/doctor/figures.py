"""Figures as people read them."""

PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def si(figure: float, unit: str) -> str:
    """Three digits and a prefix of thousands: 4.54 MB/s."""
    size, prefix = next(((size, prefix) for size, prefix in PREFIXES if figure >= size), (1.0, ""))
    return f"{figure / size:.3g} {prefix}{unit}"
