"""Each bad recipe is told in one line with its place; all of them at once."""

import os
import pickle

import pytest

from launcher.errors import InvalidInput
from launcher.recipe.load import load_recipe
from launcher.recipe.problem import RecipeError

EDITS = {
    "unknown key": ("max_steps: 20", "max_step: 20", "22:3: training.max_step: unknown key; did you mean max_steps?"),
    "unknown section": ("training:", "trainin:", "21:1: trainin: unknown key; did you mean training?"),
    "unknown key in a chosen section": ("  r: 8", "  rr: 8", "7:3: method.rr: unknown key; did you mean r?"),
    "unknown key like nothing": ("  r: 8", "  zebra: 8", "7:3: method.zebra: unknown key"),
    "key of another kind": ("kind: lora", "kind: full", "7:3: method.r: unknown key"),
    "wrong type": (
        "max_steps: 20",
        "max_steps: many",
        "22:3: training.max_steps: expected a whole number, found 'many'",
    ),
    "fraction for a whole number": (
        "max_steps: 20",
        "max_steps: 1.5",
        "22:3: training.max_steps: expected a whole number, found 1.5",
    ),
    "number for text": (
        "url: rows.csv",
        "url: 7",
        "15:5: data.train.url: expected text or a list, found 7; write it in quotes",
    ),
    "yes is no boolean": (
        "split: {",
        "deduplicate: yes\n  split: {",
        "16:3: data.deduplicate: expected true or false, found 'yes'",
    ),
    "null for a section": ("  r: 8", "  r: null", "7:3: method.r: expected a whole number, found null"),
    "scalar for a section": (
        "training:\n  max_steps: 20\n  learning_rate: 1e-3",
        "training: 3",
        "21:1: training: expected keys and values, found 3",
    ),
    "number out of range": (
        "learning_rate: 1e-3",
        "learning_rate: 0",
        "23:3: training.learning_rate: expected a number greater than 0, found 0",
    ),
    "infinite number": (
        "learning_rate: 1e-3",
        "learning_rate: 1e999",
        "23:3: training.learning_rate: expected a finite number, found inf",
    ),
    "packs and lengths": (
        "max_steps: 20",
        "packing: true\n  train_sampling_strategy: group_by_length",
        "22:3: training.packing: packing needs train_sampling_strategy: random",
    ),
    "long documents in a word of another tool": (
        "max_steps: 20",
        "long_documents: wrapped",
        "22:3: training.long_documents: expected 'truncate' or 'split', found 'wrapped'",
    ),
    "pieces of a question": (
        "max_steps: 20",
        "max_steps: 20\n  long_documents: split",
        "23:3: training.long_documents: a piece of a row of task instruction has lost its question or its answer; say "
        "truncate, or raise max_length",
    ),
    "what becomes of a corrupt block": (
        "  labels:",
        "  corrupt_blocks: skip\n  labels:",
        "17:3: data.corrupt_blocks: expected 'stop' or 'quarantine', found 'skip'",
    ),
    "unknown word": (
        "max_steps: 20",
        "max_steps: 20\n  lr_scheduler_type: linaer",
        "23:3: training.lr_scheduler_type: expected 'constant', 'constant_with_warmup', 'linear', 'cosine', "
        "'cosine_with_restarts', 'polynomial', 'inverse_sqrt', 'cosine_with_min_lr', 'cosine_warmup_with_min_lr' or "
        "'warmup_stable_decay', "
        "found 'linaer'; did you mean linear?",
    ),
    "unknown kind": (
        "kind: lora",
        "kind: lorra",
        "6:3: method.kind: expected full, lora or qlora, found 'lorra'; did you mean lora?",
    ),
    "kind left out": ("  kind: lora\n", "", "5:1: method.kind: missing; expected full, lora or qlora"),
    "required key left out": ("    url: rows.csv\n", "", "13:3: data.train.url: missing; this key is required"),
    "required word left out": (
        "    kind: csv\n    url: rows.csv",
        "    kind: headlines\n    rows_per_class: 1\n    seed: 1",
        "13:3: data.train.templates: missing; expected seen or held-out",
    ),
    "neither member of a union": (
        "  r: 8",
        "  target_modules: 3",
        "7:3: method.target_modules: expected 'all-linear' or a list, found 3",
    ),
    "bad item of a list": (
        "  r: 8",
        "  target_modules: [q_proj, 3]",
        "7:28: method.target_modules.1: expected text, found 3; write it in quotes",
    ),
    "bad value of a mapping": (
        "{up: good, down: bad}",
        "{up: good, down: 3}",
        "17:22: data.labels.down: expected text, found 3; write it in quotes",
    ),
    "bad name": (
        "name: moods",
        "name: a/b",
        "1:1: name: expected text that matches ^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$, found 'a/b'",
    ),
    "broken template": (
        '"{text} The mood is"',
        '"{text The mood is"',
        "10:3: task.prompt: expected '}' before end of string",
    ),
    "contradictory keys": (
        "max_steps: 20",
        "warmup_steps: 20\n  warmup_ratio: 0.1",
        "22:3: training.warmup_steps: warmup_steps and warmup_ratio contradict each other: give one, or null for the "
        "other; warmup_ratio is given at moods.yaml:23:3",
    ),
    "test rows from two places": (
        "  labels:",
        "  test: {kind: csv, url: a}\n  labels:",
        "12:1: data: give either test (a source) or split (counts cut from train), not both and not neither",
    ),
    "label outside the task": (
        "down: bad",
        "down: badd",
        "17:22: data.labels.down: label 'badd' is not in task.label_words; did you mean bad?",
    ),
    "answer in the prompt": (
        "{text} The",
        "{text} {label} The",
        "10:3: task.prompt: {label} would show the model its answer; remove it",
    ),
    "answer nowhere": (
        "  label_words",
        "  completion: so\n  label_words",
        "11:3: task.completion: the template reads no field of a row; write one in braces, such as {text}",
    ),
    "answer of another field": (
        "  label_words",
        '  completion: "{source}"\n  label_words',
        "11:3: task.completion: with label_words a completion has the field {label} and no other; say {label} once",
    ),
    "parameters that are not partitioned": (
        "zero_stage: 2",
        "zero_stage: 2\n  offload_param: true",
        "21:3: strategy.offload_param: lora + zero2+param + fp32 + instruction is refused: parameters are offloaded "
        "where they are partitioned, at stage 3; use zero_stage 3, or offload_param: false",
    ),
    "states that are not shared": (
        "zero_stage: 2",
        "zero_stage: 0\n  offload_optimizer: true",
        "21:3: strategy.offload_optimizer: lora + zero0+optimizer + fp32 + instruction is refused: stage 0 shares no "
        "optimiser states, so there are none to offload; use zero_stage 1, 2 or 3",
    ),
    "nothing to evaluate on": (
        "max_steps: 20",
        "max_steps: 20\n  eval_strategy: epoch",
        "23:3: training.eval_strategy: there are no validation rows to evaluate on; give data.validation (a source) or "
        "data.split.validation_per_class",
    ),
    "duplicate key": (
        "max_steps: 20",
        "max_steps: 20\n  max_steps: 30",
        "23:3: training.max_steps: duplicate key; it was first given at moods.yaml:22:3",
    ),
    "tab": ("  max_steps: 20", "\tmax_steps: 20", "22:1: tab as indentation; use spaces"),
    "tab after spaces": ("  max_steps: 20", "  \tmax_steps: 20", "22:3: tab as indentation; use spaces"),
    "Python tag": (
        "max_steps: 20",
        "max_steps: !!python/object/apply:os.system [ls]",
        "22:14: training.max_steps: tag tag:yaml.org,2002:python/object/apply:os.system is not read; "
        "write a plain value",
    ),
    "own tag": (
        "max_steps: 20",
        "max_steps: !x 20",
        "22:14: training.max_steps: tag !x is not read; write a plain value",
    ),
    "anchor": (
        "max_steps: 20",
        "max_steps: &steps 20",
        "22:14: training.max_steps: anchor &steps is not read; remove it, or share values by `extends`",
    ),
    "merge key": (
        "training:",
        "training:\n  <<: {seed: 1}",
        "22:3: training.<<: merge keys are not read; share values by `extends`",
    ),
    "number as a key": (
        "{up: good,",
        "{0: good,",
        "17:12: data.labels.0: this key is not a string; write it in quotes: '0'",
    ),
    "list as a key": ("{up: good,", "{[up]: good,", "17:12: data.labels: a key is not a string; keys are plain words"),
    "second document": ("training:", "---\ntraining:", "21:1: a second document begins here; keep one document a file"),
    "broken YAML": (
        "{up: good, down: bad}",
        "{up: good, down: bad",
        "18:9: not YAML: while parsing a flow mapping, did not find expected ',' or '}'",
    ),
    "control character": ("moods", "mo\x07ods", "1:9: not YAML: character U+0007 is not allowed"),
    "extends of a wrong type": (
        "name:",
        "extends: 3\nname:",
        "1:1: extends: expected the path of a file, or a list of paths",
    ),
    "extends of a missing file": (
        "name:",
        "extends: [base/no.yaml]\nname:",
        "1:11: extends: base/no.yaml does not exist; paths are relative to the file that says `extends`",
    ),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_a_mistake_is_told_with_its_place(edit, recipe_text, write, told):
    old, new, line = edit
    assert old in recipe_text
    write("moods.yaml", recipe_text.replace(old, new, 1))
    assert f"moods.yaml:{line}" in told("moods.yaml")


ALONE = [name for name in EDITS if name not in ("unknown section", "merge key", "list as a key", "second document")]


@pytest.mark.parametrize("name", ALONE)
def test_a_single_mistake_is_one_line(name, recipe_text, write, told):
    old, new, _ = EDITS[name]
    write("moods.yaml", recipe_text.replace(old, new, 1))
    assert len(told("moods.yaml")) == 1


WHOLE_FILES = {
    "empty": ("", "1:1: the file is empty; expected keys and values, such as `name: x`"),
    "comments only": ("# a\n", "1:1: the file is empty; expected keys and values, such as `name: x`"),
    "list": ("- a\n- b\n", "1:1: the file holds a list; expected keys and values, such as `name: x`"),
    "scalar": ("\nhello\n", "2:1: the file holds a single value; expected keys and values, such as `name: x`"),
    "deep": ("a: " + "[" * 100_000, "1:36: nested deeper than 32 levels"),
    "deep keys": ("{" * 100_000, "1:34: nested deeper than 32 levels"),
}


@pytest.mark.parametrize(("text", "line"), WHOLE_FILES.values(), ids=WHOLE_FILES.keys())
def test_a_file_that_is_no_recipe_is_told_in_its_last_line(text, line, write, told):
    write("x.yaml", text)
    assert told("x.yaml")[-1] == f"x.yaml:{line}"


def test_a_file_that_memory_could_not_hold_is_refused_unread(write, told):
    os.truncate(write("x.yaml", ""), 10**12)
    assert told("x.yaml") == [
        "x.yaml:1:1: the file has 1000000000000 bytes, more than the 1048576 that are read; is it a recipe?"
    ]


def test_a_file_that_is_not_utf_8_is_told_with_the_byte(write, told):
    write("x.yaml", "").write_bytes("name: a\ndescription: größer\n".encode("latin-1"))
    assert told("x.yaml") == ["x.yaml:2:16: not UTF-8: byte 0xf6; save the file as UTF-8"]


def test_a_directory_is_refused(write, told):
    write("folder/x.yaml", "")
    assert told("folder") == ["folder:1:1: this is a directory; name a YAML file"]


@pytest.mark.parametrize("reference", ["no/such.yaml", "x" * 5000, "nul\0", ""])
def test_a_missing_file_is_refused(reference, write, told):
    write("moods.yaml", "")
    (line,) = told(reference)
    assert line.endswith("no such file, and nothing of that name in the shipped recipes/")


def test_all_mistakes_of_a_file_are_told_at_once_in_reading_order(recipe_text, write, told):
    edits = [
        ("kind: lora", "kind: lorra"),
        ("url: rows.csv", "url: !x rows.csv"),
        ("zero_stage: 2", "zero_stage: 9"),
        ("max_steps: 20", "max_steps: many\n  seed: 1\n  seed: 2"),
        ("learning_rate", "learning_rat"),
    ]
    for old, new in edits:
        recipe_text = recipe_text.replace(old, new, 1)
    write("moods.yaml", recipe_text)
    assert [line.split(": ")[:2] for line in told("moods.yaml", "evaluation.batch_sise=1")] == [
        ["moods.yaml:6:3", "method.kind"],
        ["moods.yaml:15:10", "data.train.url"],
        ["moods.yaml:20:3", "strategy.zero_stage"],
        ["moods.yaml:22:3", "training.max_steps"],
        ["moods.yaml:24:3", "training.seed"],
        ["moods.yaml:25:3", "training.learning_rat"],
        ["override 'evaluation.batch_sise=1'", "evaluation.batch_sise"],
    ]


def test_mistakes_of_several_files_are_told_at_once(recipe_text, write, told):
    write("base.yaml", recipe_text.replace("max_steps: 20", "max_step: 20"))
    write("other.yaml", "training: {max_steps: 1, max_steps: 2}\n")
    write("x.yaml", "extends: [base.yaml, other.yaml]\nname: 3\n")
    assert told("x.yaml", "method.width=3", "strategy.zero_stage=two") == [
        "base.yaml:22:3: training.max_step: unknown key; did you mean max_steps?",
        "other.yaml:1:26: training.max_steps: duplicate key; it was first given at other.yaml:1:12",
        "x.yaml:2:1: name: expected text, found 3; write it in quotes",
        "override 'method.width=3': method.width: unknown key",
        "override 'strategy.zero_stage=two': strategy.zero_stage: expected 0, 1, 2 or 3, found 'two'",
    ]


def test_unreadable_files_are_told_at_once(write, told):
    write("a.yaml", "a: [\n")
    write("b.yaml", "")
    write("x.yaml", "extends: [a.yaml, b.yaml, c.yaml]\n")
    assert [line.partition(": ")[0] for line in told("x.yaml")] == ["a.yaml:2:1", "b.yaml:1:1", "x.yaml:1:27"]


def test_a_message_stays_one_line_whatever_stands_in_the_key(recipe_text, write, told):
    write("moods.yaml", recipe_text + '"two\\nlines \\e[31m": 1\n')
    assert told("moods.yaml") == ["moods.yaml:24:1: two\\nlines \\x1b[31m: unknown key"]


def test_the_error_is_invalid_input_and_survives_a_process_border(write):
    write("x.yaml", "")
    with pytest.raises(InvalidInput) as caught:
        load_recipe("x.yaml")
    again = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(again, RecipeError)
    assert (str(again), again.exit_code) == (str(caught.value), 2)
