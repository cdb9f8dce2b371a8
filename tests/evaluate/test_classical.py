import pytest

from launcher.errors import InvalidInput
from launcher.evaluate.classical import classical_predictions


def test_words_that_tell_the_classes_apart_are_learned() -> None:
    train = ["profit rose sharply", "sales rose again", "profit fell sharply", "sales fell again"]
    predicted = classical_predictions(train, ["up", "up", "down", "down"], ["turnover fell", "turnover rose", "rose"])
    assert predicted == ["down", "up", "up"]


def test_pairs_of_words_are_learned_where_single_words_say_nothing() -> None:
    train = ["costs up margin down", "margin up costs down"]
    predicted = classical_predictions(train, ["bad", "good"], ["margin up", "costs up"])
    assert predicted == ["good", "bad"]


@pytest.mark.parametrize(
    ("texts", "labels"), [(["?", "!", "a"], ["x", "y", "x"]), (["rose today", "fell today"], ["x", "x"])]
)
def test_rows_that_cannot_be_fitted_are_told_in_one_line(texts: list[str], labels: list[str]) -> None:
    with pytest.raises(
        InvalidInput, match=r"^TF-IDF \+ logistic regression: [^\n]+; set evaluation.classical to false$"
    ):
        classical_predictions(texts, labels, ["rose"])
