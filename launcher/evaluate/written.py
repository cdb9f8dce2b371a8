"""How well freely written completions match the true ones."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from launcher.evaluate.bootstrap import ratio_interval
from launcher.evaluate.rouge import exact_match, rouge_l


@dataclass(frozen=True, slots=True)
class GenerationMetrics:
    """Means over rows, fractions of 1, each with its 95 % bootstrap interval."""

    rows: int
    rouge_l: float
    rouge_l_low: float
    rouge_l_high: float
    exact_match: float
    exact_match_low: float
    exact_match_high: float


@dataclass(frozen=True, slots=True)
class Generation:
    """A test row's prompt, its true completion, and what each model wrote, by the model's name."""

    prompt: str
    reference: str
    written: dict[str, str]


def generation_metrics(references: Sequence[str], written: Sequence[str]) -> GenerationMetrics:
    """ROUGE-L and exact matches; one row at least."""
    pairs = list(zip(references, written, strict=True))
    overlap = [rouge_l(*pair) for pair in pairs]
    equal = [float(exact_match(*pair)) for pair in pairs]
    ones = [1.0] * len(pairs)
    return GenerationMetrics(
        len(pairs),
        sum(overlap) / len(pairs),
        *ratio_interval(overlap, ones),
        sum(equal) / len(pairs),
        *ratio_interval(equal, ones),
    )


def written_metrics(rows: Sequence[Generation]) -> dict[str, GenerationMetrics]:
    """Metrics of each model by its name; empty of no rows."""
    references = [row.reference for row in rows]
    names = list(rows[0].written) if rows else []
    return {name: generation_metrics(references, [row.written[name] for row in rows]) for name in names}


def generations_jsonl(rows: Sequence[Generation]) -> bytes:
    """One JSON object a line, in UTF-8."""
    return "".join(f"{json.dumps(asdict(row), ensure_ascii=False)}\n" for row in rows).encode()


def read_generations(content: bytes) -> list[Generation]:
    """What `generations_jsonl` wrote."""
    return [Generation(**json.loads(line)) for line in content.decode().splitlines()]
