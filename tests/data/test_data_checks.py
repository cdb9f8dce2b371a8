"""Faults planted in data are found, with the mend that makes them go."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from launcher.cli import main
from launcher.data.checks import Finding, check_data, report_lines
from launcher.data.checks.encoded import EncodedRow
from launcher.data.checks.lengths import lengths
from launcher.data.checks.repeated import normalised
from launcher.data.checks.sample import ENCODED, draw
from launcher.data.checks.told import WIDTH, plain
from launcher.data.dataset import Dataset, load_dataset
from launcher.data.encode import Example
from launcher.data.rows import Row
from launcher.model.scratch import make_tokenizer
from launcher.model.wordpiece import make_wordpiece
from launcher.recipe.recipe import Recipe

RecipeOf = Callable[..., Recipe]
PRETRAINED = {"kind": "pretrained", "name_or_path": "./model"}
CONFIG = {"vocab_size": 512, "max_position_embeddings": 512}
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
CHAT = {
    "kind": "chat",
    "template": f"{TEMPLATE}{{% if add_generation_prompt %}}<|im_start|>assistant\n{{% endif %}}",
}
CLASSES = {"kind": "classification", "labels": ["negative", "positive"]}
LABELS = {"0": "negative", "1": "positive"}
SST2 = {"kind": "tsv", "columns": ["text", "label"]}


@pytest.fixture(scope="module")
def tokenizer(stories: Path) -> PreTrainedTokenizerBase:
    loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(stories)
    return loaded


def rows(number: int, words: str = "a cat sat on mat number") -> list[Row]:
    return [Row({"text": f"{words} {each}"}, "positive") for each in range(number)]


def chats(number: int, question: str) -> list[Row]:
    """Conversations of one turn."""
    turns = [
        [{"role": "user", "content": question}, {"role": "assistant", "content": f"A dog, {each}."}]
        for each in range(number)
    ]
    return [Row({"messages": json.dumps(each)}, None) for each in turns]


def found(
    recipe: Recipe,
    tokenizer: PreTrainedTokenizerBase,
    train: Sequence[Row],
    test: Sequence[Row] = (),
    config: dict[str, Any] = CONFIG,
) -> dict[str, Finding]:
    report = check_data(recipe, Dataset(train, test, 0), tokenizer, config)
    return {finding.name: finding for finding in report.findings}


def test_sound_data_pass_every_check(recipe_of: RecipeOf, tokenizer: PreTrainedTokenizerBase) -> None:
    dataset = Dataset(rows(50), rows(9, "a dog ran"), 0)
    report = check_data(recipe_of(model=PRETRAINED), dataset, tokenizer, CONFIG)
    assert report.verdict == "ok"
    assert not any(finding.mend for finding in report.findings)
    assert (report.rows, report.sampled) == (50, 50)


def test_cutting_most_rows_fails_and_the_length_it_names_mends_it(
    recipe_of: RecipeOf, tokenizer: PreTrainedTokenizerBase, shared: Path
) -> None:
    url = str(shared / "data" / "sst2" / "dev.tsv")
    data = {
        "train": {**SST2, "url": url},
        "split": {"test_per_class": 10},
        "labels": LABELS,
    }
    recipe = recipe_of(model=PRETRAINED, task=CLASSES, data=data, training={"max_length": 24})
    dataset = load_dataset(recipe)
    cut = found(recipe, tokenizer, dataset.train)["truncated"]
    assert cut.verdict == "fail"
    share = float(cut.figure.partition("(")[2].partition("%")[0])
    assert share > 90
    length = int(cut.mend.partition("training.max_length=")[2].partition(" ")[0])
    longer = recipe_of(model=PRETRAINED, task=CLASSES, data=data, training={"max_length": length})
    assert found(longer, tokenizer, dataset.train)["truncated"].verdict == "ok"


def test_cutting_that_the_recipe_asks_for_is_no_failure(
    recipe_of: RecipeOf, tokenizer: PreTrainedTokenizerBase
) -> None:
    training = {"max_length": 8, "long_documents": "truncate"}
    cut = found(recipe_of(model=PRETRAINED, task=CLASSES, training=training), tokenizer, rows(9))["truncated"]
    assert (cut.verdict, cut.figure) == ("warn", "9 of 9 (100.0%) rows have more than 8 tokens and are cut")


def test_a_mend_asks_for_no_more_positions_than_the_model_has(
    recipe_of: RecipeOf, tokenizer: PreTrainedTokenizerBase
) -> None:
    recipe = recipe_of(model=PRETRAINED, task=CLASSES, training={"max_length": 8})
    few = {**CONFIG, "max_position_embeddings": 12}
    told = found(recipe, tokenizer, rows(9), config=few)["truncated"].mend
    assert told.startswith("training.max_length=12 is as much as the model has positions for; cut rows up")
    told = found(recipe, tokenizer, rows(9), config={**few, "max_position_embeddings": 8})["truncated"].mend
    assert told.startswith("cut rows up beforehand: the model has 8 positions")


def test_long_documents_that_become_several_rows_are_not_cut(
    recipe_of: RecipeOf, tokenizer: PreTrainedTokenizerBase
) -> None:
    recipe = recipe_of(model=PRETRAINED, task={"kind": "text"}, training={"max_length": 8})
    told = found(recipe, tokenizer, rows(9))["truncated"]
    assert (told.verdict, told.figure) == (
        "ok",
        "9 of 9 (100.0%) rows have more than 8 tokens and become several; none is cut",
    )


def test_completions_that_never_fit_are_counted_instead_of_ending_the_check(
    recipe_of: RecipeOf, tokenizer: PreTrainedTokenizerBase
) -> None:
    task = {"kind": "instruction", "prompt": "{text}", "completion": "{answer}"}
    recipe = recipe_of(model=PRETRAINED, task=task, training={"max_length": 16})
    long = [Row({"text": "x", "answer": "a very long answer that goes on and on"}, None)]
    short = [Row({"text": "y", "answer": "no"}, None)]
    told = found(recipe, tokenizer, [*short, *long])["completions"]
    assert told.verdict == "fail"
    assert told.figure.startswith("1 of 2 (50.0%) rows have a completion of more than 16 tokens, up to ")
    assert "completions" not in found(recipe, tokenizer, short)


def test_labels_that_are_all_masked_fail_until_rows_are_longer(
    recipe_of: RecipeOf, tokenizer: PreTrainedTokenizerBase
) -> None:
    train = chats(20, "What barks at the mailman? " * 8)
    short = recipe_of(model=PRETRAINED, task=CHAT, training={"max_length": 64})
    told = found(short, tokenizer, train)["all masked"]
    assert told.verdict == "fail"
    assert told.figure.startswith("20 of 20 (100.0%) rows have no label that counts")
    assert told.mend.startswith("raise training.max_length")
    enough = recipe_of(model=PRETRAINED, task=CHAT, training={"max_length": 512})
    assert found(enough, tokenizer, train)["all masked"].verdict == "ok"


def test_test_rows_in_train_are_told_with_their_share_though_case_and_commas_differ(
    recipe_of: RecipeOf, tokenizer: PreTrainedTokenizerBase, shared: Path
) -> None:
    folder = shared / "data" / "sst2"
    data = {
        "train": {**SST2, "url": str(folder / "dev.tsv")},
        "test": {**SST2, "url": str(folder / "test.tsv")},
        "labels": LABELS,
    }
    recipe = recipe_of(model=PRETRAINED, task=CLASSES, data=data)
    clean = load_dataset(recipe)
    planted = [Row({"text": row.text.upper().replace(" ,", ",")}, row.label) for row in clean.test[:100]]
    before, told = (found(recipe, tokenizer, [*clean.train, *more], clean.test) for more in ([], planted))
    assert before["test in train"].verdict == "ok"
    assert told["test in train"].verdict == "warn"
    assert told["test in train"].figure.startswith("100 of 1,821 (5.5%) rows stand in data.train too")
    assert told["test in train"].mend.startswith("take them out of data.train")


def test_repeated_rows_are_counted_and_blamed_on_no_deduplication(
    recipe_of: RecipeOf, tokenizer: PreTrainedTokenizerBase
) -> None:
    recipe = recipe_of(model=PRETRAINED)
    told = found(recipe, tokenizer, [*rows(10), *rows(10)])["duplicates"]
    assert (told.verdict, told.figure.partition(" rows")[0]) == ("warn", "10 of 20 (50.0%)")
    assert "data.deduplicate: true" in told.mend


@given(st.lists(st.text("aäßÅ漢é", min_size=1), min_size=1), st.sampled_from([" ", "\n", ", ", "... ", " - "]))
def test_what_a_row_says_is_alike_whatever_its_case_spacing_and_punctuation(words: list[str], between: str) -> None:
    assert normalised(f"  {between.join(words).upper()}!") == normalised(" ".join(words))
    assert normalised(normalised(words[0])) == normalised(words[0])


WORDS = ["the cat sat on the mat and looked at the dog", "a dog ran"] * 9


@pytest.mark.parametrize(
    ("make", "config", "name", "mend"),
    [
        # One larger than the model's embedding, one of another model, one that does not know the writing
        (lambda: make_tokenizer(WORDS, 300, 64), {"vocab_size": 200}, "vocabulary", "give the model's own tokenizer"),
        (lambda: make_tokenizer(WORDS, 300, 64), {"vocab_size": 128_256}, "unused vocabulary", "the tokenizer is of"),
        (lambda: make_wordpiece(WORDS, 100, 64), {}, "unknown tokens", "give the model's own tokenizer"),
    ],
)
def test_a_wrong_tokenizer_fails(
    make: Callable[[], PreTrainedTokenizerBase],
    config: dict[str, Any],
    name: str,
    mend: str,
    recipe_of: RecipeOf,
) -> None:
    train = [Row({"text": f"собака громко лает {each}"}, "positive") for each in range(5)]
    told = found(recipe_of(model=PRETRAINED, task=CLASSES), make(), train, config=config)[name]
    assert told.verdict == "fail"
    assert told.mend.startswith(mend)


def test_marks_of_another_models_template_are_told_until_they_are_tokens(
    recipe_of: RecipeOf, tokenizer: PreTrainedTokenizerBase
) -> None:
    told = found(recipe_of(model=PRETRAINED, task=CHAT), tokenizer, chats(3, "Hi?"))["marks"]
    assert told.verdict == "warn"
    assert told.mend.endswith("model.add_tokens: [<|im_end|>, <|im_start|>]")
    marks = ["<|im_end|>", "<|im_start|>"]
    wide = make_tokenizer(WORDS, 300, 64)
    wide.add_tokens(marks)
    asked = recipe_of(model={**PRETRAINED, "add_tokens": marks}, task=CHAT)
    own = found(asked, wide, chats(3, "Hi?"), config={"vocab_size": len(wide) - 2})
    assert "marks" not in own
    assert own["unused vocabulary"].verdict == "ok"


@given(st.text())
def test_no_character_that_moves_a_terminal_leaves_the_report(text: str) -> None:
    assert all(letter.isprintable() or letter == "\n" for letter in plain(text))


def test_examples_are_told_in_80_columns_with_the_masked_part_apart_and_harmless(
    recipe_of: RecipeOf, tokenizer: PreTrainedTokenizerBase
) -> None:
    train = rows(3, "red \x1b[31malarm\x1b]0;owned\x07 and \u202eback " + "far too many words to stand on a line " * 14)
    report = check_data(recipe_of(model=PRETRAINED), Dataset(train, [], 0), tokenizer, CONFIG)
    lines = report_lines(report)
    assert max(map(len, lines)) <= WIDTH
    assert not any(letter in line for line in lines for letter in "\x1b\x07\u202e")
    assert len([line for line in lines if line.startswith("example ")]) == 3
    assert lines[-1] == "  > good</s>"
    assert any(line.startswith("  . <s> red \\x1b[31m") for line in lines)
    assert any("characters ...]" in line for line in lines)
    dimmed = report_lines(report, colour=True)
    assert dimmed[-1] == lines[-1]
    assert dimmed[-2] == f"\x1b[2m{lines[-2]}\x1b[0m"
    assert [line.replace("\x1b[2m", "").replace("\x1b[0m", "") for line in dimmed] == lines


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=300))
def test_every_row_is_in_one_bar_of_the_histogram(found: list[int]) -> None:
    encoded = [EncodedRow(Example([0] * min(length, 3000), [], truncated=False), (), 1) for length in found]
    told = lengths(encoded)
    assert sum(bar.rows for bar in told.bars) == len(found)
    assert told.bars[0].first == 1
    for bar, after in zip(told.bars, told.bars[1:], strict=False):
        assert bar.last is not None
        assert after.first == bar.last + 1
    assert told.bars[-1].last is None or told.bars[-1].last >= told.longest
    assert told.median <= told.most <= told.longest
    assert len(told.bars) <= 11


def test_a_sample_is_bounded_and_the_same_every_time() -> None:
    many = rows(ENCODED + 500)
    sample = draw(many)
    assert (len(sample.rows), sample.of) == (ENCODED, len(many))
    assert sample == draw(many)
    assert len({row.text for row in sample.rows}) == ENCODED


@pytest.fixture
def faulty(stories: Path, tmp_path: Path) -> str:
    """A recipe that cuts nearly all of its rows."""
    story = "a long story about a girl and her dog " * 5
    train = [{"text": f"{story} {number}", "label": "good"} for number in range(40)]
    for name, written in (("train", train), ("test", [{"text": "a cat", "label": "bad"}])):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, written)))
    recipe = {
        "name": "faulty",
        "model": {"kind": "pretrained", "name_or_path": str(stories)},
        "method": {"kind": "lora"},
        "task": {"kind": "classification", "labels": ["good", "bad"]},
        "data": {name: {"kind": "jsonl", "url": str(tmp_path / f"{name}.jsonl")} for name in ("train", "test")},
        "strategy": {"kind": "ddp"},
        "training": {"max_length": 32},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return str(tmp_path / "recipe.yaml")


def test_the_command_line_tells_a_planted_fault_and_ends_with_3(faulty: str) -> None:
    command = [sys.executable, "-m", "launcher", "plan", faulty, "--data"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    lines = done.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("fail  truncated: 40 of 40 (100.0%)"))
    assert lines[at + 1].startswith("      -> training.max_length=")
    assert "\x1b" not in done.stdout


def test_json_holds_what_was_found_and_the_mend_passes(faulty: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", faulty, "--data", "--json"]) == 3
    told = json.loads(capsys.readouterr().out)["data"]
    assert told["verdict"] == "fail"
    assert told["sampled"] == told["rows"] == 40
    assert [len(example["passages"]) for example in told["examples"]] == [2, 2, 2]
    (cut,) = (finding for finding in told["findings"] if finding["verdict"] == "fail")
    assert main(["plan", faulty, "--data", cut["mend"].partition(" ")[0]]) == 0


@pytest.mark.parametrize("beside", [["--rows", "9"], ["--sweep-gpus", "8"]])
def test_rows_are_read_or_given_and_not_both(
    beside: list[str], faulty: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", faulty, "--data", *beside]) == 2
    assert capsys.readouterr().err.startswith("launcher: --data: reads the rows themselves")
