from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.data.split import Row, deduplicate, stratified_split
from launcher.errors import InvalidInput
from launcher.recipe.data import Split

LABELS = ("a", "b", "c")


def row(text: str, label: str | None = "a") -> Row:
    return Row({"text": text}, label)


def distinct(counts: dict[str, int]) -> list[Row]:
    return [row(f"{label}{number}", label) for label, count in counts.items() for number in range(count)]


ROWS = st.lists(st.builds(row, st.sampled_from("uvwxyz"), st.sampled_from(LABELS)))
SPLITS = st.builds(Split, train_per_class=st.integers(1, 4), test_per_class=st.integers(1, 4), seed=st.integers(0, 99))


def test_the_first_of_a_repeated_text_stays_and_its_order_with_it() -> None:
    rows = [row("x"), row("y", "b"), row("x"), row("z"), row("y", "b")]
    assert deduplicate(rows) == [row("x"), row("y", "b"), row("z")]


def test_a_text_with_two_labels_goes_altogether() -> None:
    assert deduplicate([row("x", "a"), row("y"), row("x", "b"), row("x", "a")]) == [row("y")]


def test_texts_are_compared_field_by_field() -> None:
    rows = [Row({"one": "x\ny", "two": "z"}, "a"), Row({"one": "x", "two": "y\nz"}, "b")]
    assert deduplicate(rows) == rows


@given(ROWS)
def test_deduplicating_twice_changes_nothing_more(rows: list[Row]) -> None:
    once = deduplicate(rows)
    assert deduplicate(once) == once
    assert len({each.text for each in once}) == len(once)
    assert {each.text for each in rows} - {each.text for each in once} == {
        text for text in {each.text for each in rows} if len({each.label for each in rows if each.text == text}) > 1
    }


@given(SPLITS, st.lists(st.integers(8, 12), min_size=3, max_size=3))
def test_a_split_has_exact_counts_is_disjoint_and_depends_on_the_seed_alone(split: Split, sizes: list[int]) -> None:
    rows = distinct(dict(zip(LABELS, sizes, strict=True)))
    train, test = stratified_split(rows, split, LABELS)
    assert Counter(each.label for each in train) == dict.fromkeys(LABELS, split.train_per_class)
    assert Counter(each.label for each in test) == dict.fromkeys(LABELS, split.test_per_class)
    texts = [each.text for each in train + test]
    assert len(set(texts)) == len(texts)
    assert stratified_split(rows, split, LABELS) == (train, test)
    assert stratified_split(rows, split, LABELS[::-1]) == (train, test)


@given(st.permutations(distinct({"a": 5, "b": 5, "c": 5})))
def test_how_classes_are_mixed_in_the_file_does_not_matter(rows: list[Row]) -> None:
    split = Split(train_per_class=2, test_per_class=2)
    by_class = sorted(rows, key=lambda each: str(each.label))
    assert stratified_split(rows, split, LABELS) == stratified_split(by_class, split, LABELS)


def test_another_seed_draws_other_rows() -> None:
    rows = distinct({"a": 50, "b": 50})
    drawn = [stratified_split(rows, Split(train_per_class=5, test_per_class=5, seed=seed), "ab") for seed in (1, 2)]
    assert {each.text for each in drawn[0][0]} != {each.text for each in drawn[1][0]}


def test_classes_come_mixed() -> None:
    train, test = stratified_split(distinct({"a": 30, "b": 30}), Split(train_per_class=20, test_per_class=10), "ab")
    for rows in (train, test):
        labels = [each.label for each in rows]
        assert labels not in (sorted(labels, key=str), sorted(labels, key=str, reverse=True))


def test_rows_without_labels_are_split_as_one_class() -> None:
    rows = [row(str(number), None) for number in range(9)]
    train, test = stratified_split(rows, Split(train_per_class=6, test_per_class=3))
    assert (len(train), len(test)) == (6, 3)


@pytest.mark.parametrize(("counts", "short", "has"), [({"a": 9, "b": 4}, "b", 4), ({"a": 9}, "b", 0)])
def test_a_class_with_too_few_rows_is_named_with_its_count(counts: dict[str, int], short: str, has: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        stratified_split(distinct(counts), Split(train_per_class=3, test_per_class=2), "ab")
    assert str(caught.value) == (
        f"data.split: class '{short}' has {has} rows to draw from, but 3 + 2 are asked for; ask for fewer"
    )


def test_too_few_rows_without_labels_are_told() -> None:
    with pytest.raises(InvalidInput, match=r"^data.split: data.train has 1 rows to draw from, but 1 \+ 1 are asked"):
        stratified_split([row("x", None)], Split(train_per_class=1, test_per_class=1))
