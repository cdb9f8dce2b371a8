import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.evaluate.predictions import Predictions, predictions_csv

cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


def test_columns_are_texts_labels_predictions_and_probabilities() -> None:
    base, tuned = Predictions(["down"], [[0.75, 0.25]]), Predictions(["up"], [[1 / 3, 2 / 3]])
    table = predictions_csv(['He said "up",\nthen left'], ["up"], ["down", "up"], base, tuned)
    assert table.decode() == (
        "text,label,base_prediction,tuned_prediction,base_p_down,base_p_up,tuned_p_down,tuned_p_up\r\n"
        '"He said ""up"",\nthen left",up,down,up,0.75,0.25,0.333333,0.666667\r\n'
    )


@given(st.lists(st.tuples(cells, cells, cells, cells, st.floats(0, 1)), max_size=5), st.lists(cells, unique=True))
def test_any_text_comes_back_as_it_was(rows: list[tuple[str, str, str, str, float]], names: list[str]) -> None:
    texts, labels, base, tuned = ([str(row[column]) for row in rows] for column in range(4))
    probabilities = [[row[4]] * len(names) for row in rows]
    table = predictions_csv(texts, labels, names, Predictions(base, probabilities), Predictions(tuned, probabilities))
    header, *found = csv.reader(io.StringIO(table.decode(), newline=""), strict=True)
    assert header[4:] == [f"{model}_p_{name}" for model in ("base", "tuned") for name in names]
    assert [tuple(row[:4]) for row in found] == [row[:4] for row in rows]
    for row, expected in zip(found, rows, strict=True):
        assert [float(p) for p in row[4:]] == pytest.approx([expected[4]] * 2 * len(names), rel=1e-5)


def test_a_missing_row_is_not_dropped_in_silence() -> None:
    short, whole = Predictions(["a"], [[1.0]]), Predictions(["a", "a"], [[1.0], [1.0]])
    with pytest.raises(ValueError, match="shorter"):
        predictions_csv(["one", "two"], ["a", "a"], ["a"], whole, short)
