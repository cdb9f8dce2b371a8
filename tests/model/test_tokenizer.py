import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from launcher.errors import InvalidInput
from launcher.model.tokenizer import PADDING, check_vocabulary, load_tokenizer, rows_needed
from launcher.recipe.model import Pretrained

Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Writes a tokenizer of a few words, with the special tokens that are named."""

    def into(*words: str, first: int = 0, **special: str) -> Path:
        vocabulary = {word: first + index for index, word in enumerate(dict.fromkeys([*words, *special.values()]))}
        core = Tokenizer(WordLevel(vocabulary, unk_token=special.get("unk_token", words[0])))
        core.pre_tokenizer = Whitespace()
        PreTrainedTokenizerFast(tokenizer_object=core, **special).save_pretrained(tmp_path)
        return tmp_path

    return into


def model(folder: Path, **fields: object) -> Pretrained:
    return Pretrained.model_validate({"kind": "pretrained", "name_or_path": str(folder), **fields})


def pad_token(folder: Path, **fields: object) -> str:
    return str(load_tokenizer(folder, model(folder, **fields)).pad_token)


SPECIAL = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


def test_the_padding_token_of_the_recipe_comes_first(save: Save) -> None:
    assert pad_token(save("a", PADDING, **SPECIAL), pad_token="a") == "a"


def test_then_the_tokenizers_own(save: Save) -> None:
    assert pad_token(save("a", PADDING, **SPECIAL)) == "<pad>"


def test_then_the_one_that_llama_3_reserves(save: Save) -> None:
    assert pad_token(save("a", PADDING, eos_token="</s>", unk_token="<unk>")) == PADDING


def test_then_the_unknown_token(save: Save) -> None:
    assert pad_token(save("a", eos_token="</s>", unk_token="<unk>")) == "<unk>"


def test_then_the_end_token(save: Save) -> None:
    assert pad_token(save("a", eos_token="</s>")) == "</s>"


def test_a_tokenizer_with_none_of_them_needs_one_named(save: Save) -> None:
    folder = save("a", "b")
    with pytest.raises(InvalidInput, match=r"no padding, unknown or end token; name one as model\.pad_token"):
        pad_token(folder)
    assert pad_token(folder, pad_token="b") == "b"


def test_a_padding_token_outside_the_vocabulary_is_refused_unless_it_is_added(save: Save) -> None:
    folder = save("a", **SPECIAL)
    with pytest.raises(InvalidInput, match=r"^model\.pad_token: '<hole>' is not in the vocabulary"):
        pad_token(folder, pad_token="<hole>")
    assert pad_token(folder, pad_token="<hole>", add_tokens=["<hole>"]) == "<hole>"


def test_texts_are_padded_on_the_right(stories: Path) -> None:
    tokenizer = load_tokenizer(stories, model(stories))
    assert tokenizer.padding_side == "right"
    assert (tokenizer.pad_token, tokenizer.pad_token_id) == ("<unk>", 0)


def test_added_tokens_are_one_token_each_and_known_ones_are_not_added_twice(stories: Path) -> None:
    tokenizer = load_tokenizer(stories, model(stories, add_tokens=["<mood>", "<unk>", "<mood>"]))
    assert len(tokenizer) == rows_needed(tokenizer) == 513
    assert tokenizer.encode("<mood>", add_special_tokens=False) == [512]


def test_a_folder_without_a_tokenizer_is_refused_in_one_line(tmp_path: Path, stories: Path) -> None:
    shutil.copy(stories / "config.json", tmp_path)
    with pytest.raises(InvalidInput) as caught:
        load_tokenizer(tmp_path, model(tmp_path))
    assert str(caught.value).startswith(f"model: {tmp_path} holds no tokenizer that loads: ")
    assert "\n" not in str(caught.value)


def test_a_vocabulary_larger_than_the_embedding_is_refused(stories: Path) -> None:
    pretrained = model(stories)
    tokenizer = load_tokenizer(stories, pretrained)
    check_vocabulary(tokenizer, 512, pretrained)
    with pytest.raises(InvalidInput) as caught:
        check_vocabulary(tokenizer, 511, pretrained)
    assert str(caught.value) == (
        "model: the tokenizer needs 512 rows but the embedding has 511; "
        "give the model's own tokenizer, or name new tokens under model.add_tokens"
    )


def test_tokens_that_the_recipe_adds_need_no_row_yet(stories: Path) -> None:
    pretrained = model(stories, add_tokens=["<a>", "<b>", "<unk>"])
    tokenizer = load_tokenizer(stories, pretrained)
    check_vocabulary(tokenizer, 512, pretrained)
    with pytest.raises(InvalidInput, match="needs 512 rows but the embedding has 511"):
        check_vocabulary(tokenizer, 511, pretrained)


def test_ids_count_where_they_have_gaps(save: Save) -> None:
    pretrained = model(save("a", first=40, **SPECIAL))
    tokenizer = load_tokenizer(Path(pretrained.name_or_path), pretrained)
    assert rows_needed(tokenizer) == 44
    with pytest.raises(InvalidInput, match="needs 44 rows"):
        check_vocabulary(tokenizer, 43, pretrained)
