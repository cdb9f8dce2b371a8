import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from launcher.data.prepared.fingerprint import check_tokenizer, fingerprint
from launcher.data.prepared.manifest import VERSION, Manifest, Shard, Totals
from launcher.errors import InvalidInput
from launcher.model.scratch import make_tokenizer

TEMPLATE = "{{ messages }}"


@pytest.fixture
def tokenizer(stories: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(stories)


def saved(tokenizer: PreTrainedTokenizerBase, folder: Path) -> PreTrainedTokenizerBase:
    tokenizer.save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


def alone(tokenizer: PreTrainedTokenizerBase, folder: Path) -> PreTrainedTokenizerBase:
    """tokenizer.json by itself, and the special tokens by hand."""
    tokenizer.save_pretrained(folder)
    names = {name: token for name, token in tokenizer.special_tokens_map.items() if name != "pad_token"}
    return PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), **names)


def reformatted(tokenizer: PreTrainedTokenizerBase, folder: Path) -> PreTrainedTokenizerBase:
    """tokenizer.json with keys in another order and no spaces."""
    tokenizer.save_pretrained(folder)
    file = folder / "tokenizer.json"
    rules = json.loads(file.read_text())
    file.write_text(json.dumps(dict(reversed(rules.items())), separators=(",", ":")))
    return AutoTokenizer.from_pretrained(folder)


def pickled(tokenizer: PreTrainedTokenizerBase, folder: Path) -> PreTrainedTokenizerBase:
    copy: PreTrainedTokenizerBase = pickle.loads(pickle.dumps(tokenizer))
    return copy


def used(tokenizer: PreTrainedTokenizerBase, folder: Path) -> PreTrainedTokenizerBase:
    """Truncation stays in a tokenizer after a call."""
    copy = saved(tokenizer, folder)
    copy.encode("once upon a time", truncation=True, max_length=2)
    return copy


def padding_with_another(tokenizer: PreTrainedTokenizerBase, folder: Path) -> PreTrainedTokenizerBase:
    copy = saved(tokenizer, folder)
    copy.pad_token = copy.eos_token
    return copy


@pytest.mark.parametrize("means", [saved, alone, reformatted, pickled, used, padding_with_another])
def test_equal_tokenizers_agree_however_they_were_stored(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, means: Callable[..., PreTrainedTokenizerBase]
) -> None:
    assert fingerprint(means(tokenizer, tmp_path)) == fingerprint(tokenizer)


def test_a_chat_template_counts_the_same_in_its_file_and_in_the_configuration(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(tmp_path / "file")
    shutil.copytree(tmp_path / "file", tmp_path / "configuration")
    (tmp_path / "configuration" / "chat_template.jinja").unlink()
    configuration = tmp_path / "configuration" / "tokenizer_config.json"
    configuration.write_text(json.dumps(json.loads(configuration.read_text()) | {"chat_template": TEMPLATE}))
    read = [AutoTokenizer.from_pretrained(tmp_path / name) for name in ("file", "configuration")]
    assert [each.chat_template for each in read] == [TEMPLATE, TEMPLATE]
    assert {fingerprint(each) for each in read} == {fingerprint(tokenizer)}


def with_a_token(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    tokenizer.add_tokens(["<mood>"])


def with_another_end(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    tokenizer.eos_token = "<s>"


def with_a_template(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    tokenizer.chat_template = TEMPLATE


def with_two_words_swapped(tokenizer: PreTrainedTokenizerBase, folder: Path) -> PreTrainedTokenizerBase:
    """The same words and size, and other numbers for two of them."""
    tokenizer.save_pretrained(folder)
    file = folder / "tokenizer.json"
    rules = json.loads(file.read_text())
    vocabulary = rules["model"]["vocab"]
    one, other = list(vocabulary)[-2:]
    vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]
    file.write_text(json.dumps(rules))
    return AutoTokenizer.from_pretrained(folder)


def without_a_first_token(tokenizer: PreTrainedTokenizerBase, folder: Path) -> PreTrainedTokenizerBase:
    copy = saved(tokenizer, folder)
    copy.backend_tokenizer.post_processor = None
    return copy


def taking_special_tokens_for_text(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    tokenizer.split_special_tokens = True


@pytest.mark.parametrize(
    "change",
    [
        with_a_token,
        with_another_end,
        with_a_template,
        with_two_words_swapped,
        without_a_first_token,
        taking_special_tokens_for_text,
    ],
)
def test_a_change_that_can_reach_tokens_is_seen(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, change: Callable[..., PreTrainedTokenizerBase | None]
) -> None:
    before = fingerprint(tokenizer)
    assert fingerprint(change(tokenizer, tmp_path) or tokenizer) != before


def test_data_of_another_tokenizer_are_refused_and_both_fingerprints_are_named(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    other = make_tokenizer(["a few words"], 300, 64)
    file = Shard("index.arrow", 0, "")
    manifest = Manifest(VERSION, "arrow", "text", "", 64, fingerprint(other), {}, Totals(0, 0, 0, 0, 0), [], file)
    check_tokenizer(manifest, other, "s3://bucket/data")
    with pytest.raises(InvalidInput) as refused:
        check_tokenizer(manifest, tokenizer, "s3://bucket/data")
    told = str(refused.value)
    assert "s3://bucket/data" in told
    assert fingerprint(tokenizer) in told
    assert fingerprint(other) in told
    assert "\n" not in told
