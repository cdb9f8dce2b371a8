import re
from collections import Counter
from itertools import combinations, pairwise, product
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.data.headlines import FORECASTS, LABELS, MEASURES, MOVES, TEMPLATES, TemplateSet, headlines, label_of
from launcher.errors import InvalidInput

CUES = (MEASURES, MOVES, FORECASTS)
SETS: tuple[TemplateSet, ...] = ("seen", "held-out")
NAMES = st.sampled_from(SETS)
SEEDS = st.integers(0, 2**32)


def cues_in(text: str) -> tuple[str, ...]:
    """The measure, move and forecast of a headline; fails unless there is one of each."""
    words = re.findall(r"\w+", text)
    (cues,) = product(*([word for word in words if word in table] for table in CUES))
    return cues


@pytest.mark.parametrize(
    ("measure", "move", "forecast", "label"),
    [
        ("profit", "rose", "fall", "positive"),
        ("profit", "fell", "gain", "negative"),
        ("profit", "rose", "gain", "neutral"),
        ("profit", "fell", "slump", "neutral"),
        ("costs", "rose", "fall", "negative"),
        ("costs", "fell", "gain", "positive"),
        ("costs", "rose", "gain", "neutral"),
        ("costs", "fell", "slump", "neutral"),
    ],
)
def test_the_label_is_the_surprise_signed_by_the_measure(measure: str, move: str, forecast: str, label: str) -> None:
    assert label_of(measure, move, forecast) == label


@given(NAMES, st.integers(1, 60), SEEDS)
def test_rows_are_balanced_unique_and_labelled_by_their_cues(
    templates: TemplateSet, rows_per_class: int, seed: int
) -> None:
    rows = headlines(rows_per_class, templates, seed)
    assert Counter(row["label"] for row in rows) == dict.fromkeys(LABELS.values(), rows_per_class)
    assert len({row["text"] for row in rows}) == len(rows)
    assert all(row["label"] == label_of(*cues_in(row["text"])) for row in rows)


@given(NAMES, SEEDS)
def test_the_same_seed_gives_the_same_rows_and_another_seed_others(templates: TemplateSet, seed: int) -> None:
    assert headlines(20, templates, seed) == headlines(20, templates, seed)
    assert headlines(20, templates, seed) != headlines(20, templates, seed + 1)


def test_rows_are_the_same_on_every_machine() -> None:
    assert headlines(1, "seen", 42) == [
        {"text": "analysts had expected a dip; the profit of Vettigan in September fell", "label": "neutral"},
        {"text": "the costs of Pludoria in March fell; the forecast of brokers had been a rise", "label": "positive"},
        {"text": "the forecast was a jump; the sales of Brelkamar in the full year shrank", "label": "negative"},
    ]


@pytest.mark.parametrize("templates", SETS)
def test_every_cue_word_is_as_frequent_in_every_class(templates: TemplateSet) -> None:
    per_class = 6000
    counts = Counter(
        (row["label"], word) for row in headlines(per_class, templates, 0) for word in cues_in(row["text"])
    )
    for label, table in product(LABELS.values(), CUES):
        for word in table:
            assert counts[label, word] == pytest.approx(per_class / len(table), rel=0.2), (label, word)


@pytest.mark.parametrize("templates", SETS)
def test_labels_come_in_no_order(templates: TemplateSet) -> None:
    labels = [row["label"] for row in headlines(300, templates, 0)]
    changes = sum(one != next_one for one, next_one in pairwise(labels))
    assert changes == pytest.approx(len(labels) * 2 / 3, rel=0.15)


def test_the_two_sets_share_neither_templates_nor_texts() -> None:
    seen, held_out = (set(TEMPLATES[name]) for name in SETS)
    assert not seen & held_out
    assert len(seen) >= 24
    seen_texts, held_out_texts = ({row["text"] for row in headlines(2000, name, 7)} for name in SETS)
    assert not seen_texts & held_out_texts


def test_a_held_out_template_has_no_seen_clause() -> None:
    seen, held_out = ({clause for text in TEMPLATES[name] for clause in text.split("; ")} for name in SETS)
    assert not seen & held_out


@pytest.mark.parametrize("templates", SETS)
def test_cue_words_stand_apart_and_templates_bring_none_of_their_own(templates: TemplateSet) -> None:
    neighbours = {frozenset(pair) for pair in combinations(("{measure}", "{move}", "{forecast}"), 2)}
    for template in TEMPLATES[templates]:
        fields = [field for _, field, _, _ in Formatter().parse(template) if field]
        assert sorted(fields) == ["company", "forecast", "measure", "move", "period"]
        slots = re.findall(r"\{?\w+}?", template)
        assert not neighbours & {frozenset(pair) for pair in pairwise(slots)}, template
        assert not set(slots) & {word for table in CUES for word in table}, template


@pytest.mark.parametrize("table", CUES)
def test_half_the_words_of_a_table_point_either_way(table: dict[str, int]) -> None:
    assert sum(table.values()) == 0


def test_more_rows_than_the_templates_can_make_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"rows_per_class: 100000000 is more than the \d+ that the held-out"):
        headlines(100_000_000, "held-out", 0)
