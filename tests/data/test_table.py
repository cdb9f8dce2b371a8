import pickle
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from launcher.data.encode import IGNORED, Example
from launcher.data.table import BATCH, ExampleTable, token_counts, write_examples

TOKENS = st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=9)
EXAMPLES = st.builds(lambda ids, truncated: Example(ids, [IGNORED, *ids[1:]], truncated), TOKENS, st.booleans())


@given(st.lists(EXAMPLES, max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_written_is_read_back_without_examples_that_have_no_label(
    tmp_path: Path, examples: list[Example]
) -> None:
    masked = write_examples(tmp_path / "examples.arrow", examples)
    table = ExampleTable(tmp_path / "examples.arrow")
    kept = [example for example in examples if example.label_tokens]
    assert list(table) == kept
    assert masked == len(examples) - len(kept)
    assert token_counts(table).tolist() == token_counts(kept).tolist()
    assert table.truncated == sum(example.truncated for example in kept)


def test_a_row_is_found_in_its_batch_and_past_the_end_there_is_none(tmp_path: Path) -> None:
    examples = [Example([row, row + 1], [IGNORED, row + 1], truncated=False) for row in range(2 * BATCH + 5)]
    write_examples(tmp_path / "examples.arrow", iter(examples))
    table = ExampleTable(tmp_path / "examples.arrow")
    for row in (0, BATCH - 1, BATCH, 2 * BATCH + 4):
        assert table[row] == examples[row]
    assert table[BATCH - 1 : BATCH + 1] == examples[BATCH - 1 : BATCH + 1]
    with pytest.raises(IndexError):
        table[2 * BATCH + 5]


def test_a_class_is_a_label_of_its_own(tmp_path: Path) -> None:
    example = Example([5, 6, 7], [2], truncated=True)
    write_examples(tmp_path / "examples.arrow", [example])
    assert list(ExampleTable(tmp_path / "examples.arrow")) == [example]


def test_pickled_it_weighs_next_to_nothing(tmp_path: Path) -> None:
    examples = [Example(list(range(100)), list(range(100)), truncated=False)] * 1000
    write_examples(tmp_path / "examples.arrow", examples)
    pickled = pickle.dumps(ExampleTable(tmp_path / "examples.arrow"))
    assert len(pickled) < 1000
    assert list(pickle.loads(pickled)) == examples
