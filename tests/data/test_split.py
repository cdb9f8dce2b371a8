from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.data.rows import Row, Rows
from launcher.data.split import deduplicate, stratified_split, without
from launcher.errors import InvalidInput
from launcher.recipe.data import Split

LABELS = ("a", "b", "c")


def row(text: str, label: str | None = "a") -> Row:
    return Row({"text": text}, label)


def distinct(counts: dict[str, int]) -> list[Row]:
    return [row(f"{label}{number}", label) for label, count in counts.items() for number in range(count)]


ROWS = st.lists(st.builds(row, st.sampled_from("uvwxyz"), st.sampled_from(LABELS)))
SPLITS = st.builds(
    Split,
    train_per_class=st.integers(1, 4),
    test_per_class=st.integers(1, 4),
    validation_per_class=st.integers(0, 4),
    seed=st.integers(0, 99),
)


def test_the_first_of_a_repeated_text_stays_and_its_order_with_it() -> None:
    rows = [row("x"), row("y", "b"), row("x"), row("z"), row("y", "b")]
    assert deduplicate(Rows.of(rows)) == [row("x"), row("y", "b"), row("z")]


def test_a_text_with_two_labels_goes_altogether() -> None:
    assert deduplicate(Rows.of([row("x", "a"), row("y"), row("x", "b"), row("x", "a")])) == [row("y")]


def test_texts_are_compared_field_by_field() -> None:
    rows = [Row({"one": "x\ny", "two": "z"}, "a"), Row({"one": "x", "two": "y\nz"}, "b")]
    assert deduplicate(Rows.of(rows)) == rows


@given(ROWS)
def test_deduplicating_twice_changes_nothing_more(rows: list[Row]) -> None:
    once = deduplicate(Rows.of(rows))
    assert deduplicate(once) == once
    assert len({each.text for each in once}) == len(once)
    assert {each.text for each in rows} - {each.text for each in once} == {
        text for text in {each.text for each in rows} if len({each.label for each in rows if each.text == text}) > 1
    }


def test_texts_of_other_rows_are_left_out_whatever_their_label() -> None:
    rows = [row("x"), row("y"), row("z")]
    assert without(Rows.of(rows), Rows.of([row("x", "b")]), Rows.of([row("w"), row("z")])) == [row("y")]


@given(SPLITS, st.lists(st.integers(12, 16), min_size=3, max_size=3))
def test_a_split_has_exact_counts_is_disjoint_and_depends_on_the_seed_alone(split: Split, sizes: list[int]) -> None:
    rows = distinct(dict(zip(LABELS, sizes, strict=True)))
    parts = stratified_split(Rows.of(rows), split, LABELS)
    assert Counter(each.label for each in parts.train) == dict.fromkeys(LABELS, split.train_per_class)
    assert Counter(each.label for each in parts.test) == dict.fromkeys(LABELS, split.test_per_class)
    assert Counter(each.label for each in parts.validation) == Counter(
        dict.fromkeys(LABELS, split.validation_per_class)
    )
    texts = [each.text for part in parts for each in part]
    assert len(set(texts)) == len(texts)
    assert stratified_split(Rows.of(rows), split, LABELS) == parts
    assert stratified_split(Rows.of(rows), split, LABELS[::-1]) == parts


def test_a_split_draws_the_rows_it_always_drew() -> None:
    rows = distinct({"a": 9, "b": 9})
    train, test, validation = stratified_split(Rows.of(rows), Split(train_per_class=3, test_per_class=2), "ab")
    assert [each.text for each in train] == ["a0", "a5", "b5", "b3", "b2", "a1"]
    assert [each.text for each in test] == ["a8", "b0", "b4", "a2"]
    assert validation == []


def test_without_a_count_all_the_rest_is_trained_on() -> None:
    rows = distinct({"a": 9, "b": 5})
    parts = stratified_split(Rows.of(rows), Split(test_per_class=2, validation_per_class=1), "ab")
    assert Counter(each.label for each in parts.train) == {"a": 6, "b": 2}
    assert Counter(each.text for part in parts for each in part) == Counter(each.text for each in rows)


@given(st.permutations(distinct({"a": 5, "b": 5, "c": 5})))
def test_how_classes_are_mixed_in_the_file_does_not_matter(rows: list[Row]) -> None:
    split = Split(train_per_class=2, test_per_class=2)
    by_class = sorted(rows, key=lambda each: str(each.label))
    assert stratified_split(Rows.of(rows), split, LABELS) == stratified_split(Rows.of(by_class), split, LABELS)


def test_another_seed_draws_other_rows() -> None:
    rows = distinct({"a": 50, "b": 50})
    drawn = [
        stratified_split(Rows.of(rows), Split(train_per_class=5, test_per_class=5, seed=seed), "ab") for seed in (1, 2)
    ]
    assert {each.text for each in drawn[0][0]} != {each.text for each in drawn[1][0]}


def test_classes_come_mixed() -> None:
    split = Split(train_per_class=20, test_per_class=10, validation_per_class=10)
    for rows in stratified_split(Rows.of(distinct({"a": 40, "b": 40})), split, "ab"):
        labels = [each.label for each in rows]
        assert labels not in (sorted(labels, key=str), sorted(labels, key=str, reverse=True))


def test_rows_without_labels_are_split_as_one_class() -> None:
    rows = [row(str(number), None) for number in range(9)]
    parts = stratified_split(Rows.of(rows), Split(train_per_class=5, test_per_class=3, validation_per_class=1))
    assert [len(part) for part in parts] == [5, 3, 1]
    assert [len(part) for part in stratified_split(Rows.of(rows), Split(test_per_class=3))] == [6, 3, 0]


@pytest.mark.parametrize(("counts", "short", "has"), [({"a": 9, "b": 4}, "b", 4), ({"a": 9}, "b", 0)])
def test_a_class_with_too_few_rows_is_named_with_its_count(counts: dict[str, int], short: str, has: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        stratified_split(Rows.of(distinct(counts)), Split(train_per_class=3, test_per_class=2), "ab")
    assert str(caught.value) == (
        f"data.split: class '{short}' has {has} rows to draw from, but 3 + 2 are asked for; ask for fewer"
    )


@pytest.mark.parametrize(
    ("split", "asked"),
    [
        (Split(train_per_class=3, test_per_class=2, validation_per_class=4), "3 + 2 + 4 are asked for; "),
        (Split(train_per_class=7), "7 are asked for; "),
        (Split(test_per_class=4, validation_per_class=2), "4 + 2 are asked for besides rows to train on; "),
    ],
)
def test_what_a_split_asked_for_in_vain_is_told(split: Split, asked: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        stratified_split(Rows.of(distinct({"a": 6})), split, "a")
    assert str(caught.value) == f"data.split: class 'a' has 6 rows to draw from, but {asked}ask for fewer"


def test_too_few_rows_without_labels_are_told() -> None:
    with pytest.raises(InvalidInput, match=r"^data.split: data.train has 1 rows to draw from, but 1 \+ 1 are asked"):
        stratified_split(Rows.of([row("x", None)]), Split(train_per_class=1, test_per_class=1))
