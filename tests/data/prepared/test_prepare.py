import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from launcher.data.dataset import load_dataset
from launcher.data.encode import encode_rows
from launcher.data.prepared.manifest import MANIFEST
from launcher.data.prepared.prepare import Progress, find_prepared, prepare, prepare_here
from launcher.data.prepared.shards import BlockSize
from launcher.data.prepared.verify import read_index, verify
from launcher.data.prepared.work import RECEIPT, SHARD, Encoding, Sizes, Work, pieces
from launcher.data.rows import Row, Rows
from launcher.errors import InvalidInput
from launcher.model.scratch import make_tokenizer
from launcher.model.tokenizer import load_tokenizer
from launcher.plan.placement import Placement
from launcher.recipe.model import Pretrained
from launcher.recipe.recipe import Recipe
from launcher.recipe.task import Chat, Instruction, SequenceClassification, Task, Text
from launcher.storage.local import TEMPORARY
from launcher.storage.store import Store
from launcher.train.ray_local import local_ray

SIZES = Sizes(shard=30_000, block=BlockSize(documents=50))
TEXT = Text(kind="text")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Ray for three tasks at once."""
    with local_ray(Placement(3, "cpu", 1)):
        yield


@pytest.fixture(scope="module")
def tokenizer(stories: Path) -> PreTrainedTokenizerBase:
    return load_tokenizer(stories, Pretrained(kind="pretrained", name_or_path=str(stories)))


@pytest.fixture(scope="module")
def news(shared: Path, recipe_of: Callable[..., Recipe], tokenizer: PreTrainedTokenizerBase) -> Work:
    """2,259 sentences of financial news, of which a few have more than 128 tokens."""
    url = str(shared / "data" / "financial-phrasebank" / "Sentences_AllAgree.txt")
    source = {"kind": "labelled-lines", "url": url, "separator": "@", "encoding": "latin-1"}
    data = {"train": source, "split": {"test_per_class": 10}}
    rows = load_dataset(recipe_of(task={"kind": "text"}, data=data)).train
    assert isinstance(rows, Rows)
    return Work.of(rows, Encoding(TEXT, tokenizer, 128, SIZES))


def work_of(texts: list[str], task: Task, tokenizer: PreTrainedTokenizerBase, max_length: int = 128) -> Work:
    rows = Rows.of(Row({"text": text}, None) for text in texts)
    return Work.of(rows, Encoding(task, tokenizer, max_length, SIZES))


def conversations(questions: list[str], answer: str, tokenizer: PreTrainedTokenizerBase) -> Work:
    turns = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    template = turns + "{% if add_generation_prompt %}assistant: {% endif %}"
    texts = [[{"role": "user", "content": one}, {"role": "assistant", "content": answer}] for one in questions]
    rows = Rows.of(Row({"messages": json.dumps(messages)}, None) for messages in texts)
    return Work.of(rows, Encoding(Chat(kind="chat", template=template), tokenizer, 128, SIZES))


def silent(progress: Progress) -> None:
    pass


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@given(st.lists(st.text(max_size=9), max_size=30), st.integers(1, 20))
def test_rows_are_cut_by_their_text_and_all_are_there_in_their_order(texts: list[str], characters: int) -> None:
    rows = [Row({"a": text, "b": "x"}, None) for text in texts]
    parts = list(pieces(iter(rows), characters))
    assert [row for part in parts for row in part] == rows
    sizes = [[len(row.fields["a"]) + 1 for row in part] for part in parts]
    assert all(sum(part) >= characters for part in sizes[:-1])
    assert all(sum(part[:-1]) < characters for part in sizes)


@pytest.mark.usefixtures("cluster")
def test_every_document_is_there_in_order_and_the_number_of_tasks_changes_no_byte(tmp_path: Path, news: Work) -> None:
    told: list[Progress] = []
    stores = [Store.open(str(tmp_path / str(tasks))) for tasks in (1, 3)]
    one, three = (prepare(news, store, tasks, told.append) for store, tasks in zip(stores, (1, 3), strict=True))
    assert one == three
    assert content(tmp_path / "1") == content(tmp_path / "3")
    assert verify(stores[0]) == one

    read = [pa.ipc.open_file(stores[0].read(shard.name)).read_all() for shard in one.shards]
    table = pa.concat_tables(read)
    examples = list(encode_rows(news.rows, TEXT, news.encoding.tokenizer, 128))
    assert table["input_ids"].to_pylist() == [example.input_ids for example in examples]
    assert table["labels"].to_pylist() == [example.labels for example in examples]
    assert len(one.shards) > 6
    assert one.totals.documents == len(examples) > len(news.rows)
    assert one.totals.tokens == sum(len(example.input_ids) for example in examples)
    assert max(read_index(stores[0], one).rows) == SIZES.block.documents
    assert told[-1] == Progress(len(news.rows), len(news.rows), one.totals.documents, one.totals.tokens)


@pytest.mark.usefixtures("cluster")
def test_without_ray_the_same_bytes_are_made_and_what_tasks_began_is_finished(tmp_path: Path, news: Work) -> None:
    told: list[Progress] = []
    whole, here, mixed = (Store.open(str(tmp_path / name)) for name in ("whole", "here", "mixed"))
    prepare(news, whole, 3, silent)
    made = prepare_here(news, here, told.append)
    assert content(tmp_path / "here") == content(tmp_path / "whole")
    assert told[-1] == Progress(len(news.rows), len(news.rows), made.totals.documents, made.totals.tokens)
    assert [now.rows for now in told] == sorted(now.rows for now in told)
    prepare(news, mixed, 2, silent)
    for name in (MANIFEST, news.stem(3) + SHARD, news.stem(3) + RECEIPT):
        mixed.remove(name)
    prepare_here(news, mixed, silent)
    assert content(tmp_path / "mixed") == content(tmp_path / "whole")


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-9], lambda data: data[:40] + b"?" + data[41:], lambda data: b""]
)
def test_a_damaged_receipt_is_made_anew_with_the_same_bytes(
    tmp_path: Path, news: Work, damage: Callable[[bytes], bytes]
) -> None:
    store = Store.open(str(tmp_path))
    made = prepare_here(news, store, silent)
    whole = content(tmp_path)
    shard = tmp_path / (news.stem(1) + SHARD)
    written = shard.stat().st_mtime_ns
    store.write(news.stem(1) + RECEIPT, damage(whole[news.stem(1) + RECEIPT]))
    store.write(news.stem(2) + RECEIPT, whole[news.stem(3) + RECEIPT])
    store.remove(MANIFEST)
    assert prepare_here(news, store, silent) == made
    assert content(tmp_path) == whole
    assert shard.stat().st_mtime_ns == written


def test_a_damaged_receipt_of_a_damaged_shard_is_told_by_the_shard(tmp_path: Path, news: Work) -> None:
    store = Store.open(str(tmp_path))
    prepare_here(news, store, silent)
    store.write(news.stem(1) + RECEIPT, b"")
    store.write(news.stem(1) + SHARD, store.read(news.stem(1) + SHARD)[:-1])
    store.remove(MANIFEST)
    told = rf"{news.stem(1)}{SHARD} is there with other bytes, [^\n]+; give another folder, or remove that file$"
    with pytest.raises(InvalidInput, match=told):
        prepare_here(news, store, silent)


def test_what_a_killed_preparation_left_half_written_is_removed(tmp_path: Path, news: Work) -> None:
    old, young = (tmp_path / "shards" / f"{TEMPORARY}{uuid4().hex}" for _ in range(2))
    old.parent.mkdir()
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (1.0, 1.0))
    prepare_here(news, Store.open(str(tmp_path)), silent)
    assert not old.exists()
    assert young.exists()


@pytest.mark.usefixtures("cluster")
def test_a_finished_shard_is_not_made_again_and_the_rest_is(tmp_path: Path, news: Work) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "broken-off"
    prepare(news, Store.open(str(whole)), 3, silent)
    store = Store.open(str(folder))
    first = prepare(news, store, 3, silent)
    for name in (MANIFEST, first.index.name, news.stem(1) + SHARD, news.stem(1) + RECEIPT, news.stem(4) + RECEIPT):
        store.remove(name)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}
    assert find_prepared(news, store) is None
    prepare(news, store, 3, silent)
    assert content(folder) == content(whole)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert find_prepared(news, store) is not None


@pytest.mark.usefixtures("cluster")
def test_a_shard_left_with_other_bytes_is_refused_and_nothing_is_written_over(tmp_path: Path, news: Work) -> None:
    store = Store.open(str(tmp_path))
    store.create(news.stem(2) + SHARD, b"half of it")
    with pytest.raises(InvalidInput, match="other bytes") as refused:
        prepare(news, store, 3, silent)
    assert news.stem(2) in str(refused.value)
    assert store.read(news.stem(2) + SHARD) == b"half of it"
    assert not store.exists(MANIFEST)


@pytest.mark.usefixtures("cluster")
def test_what_is_left_out_and_what_is_cut_are_counted(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    work = conversations(["Hm?", "And then? " * 40], "It ended well. " * 40, tokenizer)
    totals = prepare(work, Store.open(str(tmp_path)), 2, silent).totals
    assert (totals.documents, totals.masked, totals.truncated) == (1, 1, 1)


@pytest.mark.usefixtures("cluster")
def test_data_of_which_no_label_is_left_are_refused_and_have_no_manifest(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    store = Store.open(str(tmp_path))
    for _ in range(2):  # the second time all shards are there
        with pytest.raises(InvalidInput, match=r"every label of data\.train lies beyond the first 128 tokens"):
            prepare(conversations(["And then? " * 40], "Yes.", tokenizer), store, 2, silent)
    assert not store.exists(MANIFEST)


@pytest.mark.usefixtures("cluster")
def test_a_row_that_a_task_refuses_is_told_in_its_own_words(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    task = Instruction(kind="instruction", prompt="{text} Mood:", completion=" {text}")
    work = work_of(["the sun rose over the old barn " * 9], task, tokenizer, 60)
    with pytest.raises(InvalidInput, match=r"^training.max_length: raise it by \d+ or more, to hold a completion"):
        prepare(work, Store.open(str(tmp_path)), 2, silent)


@pytest.mark.usefixtures("cluster")
def test_a_folder_that_holds_another_data_set_is_refused(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    store = Store.open(str(tmp_path))
    texts = ["a cat", "a dog"]
    work = work_of(texts, TEXT, tokenizer)
    manifest = prepare(work, store, 2, silent)
    assert find_prepared(work_of(texts, TEXT, tokenizer), store) == manifest
    others = [
        work_of(texts[::-1], TEXT, tokenizer),
        work_of(texts, Text(kind="text", text="{text}!"), tokenizer),
        work_of(texts, TEXT, tokenizer, max_length=64),
        work_of(texts, TEXT, make_tokenizer(texts, 300, 64)),
        Work.of(work.rows, Encoding(TEXT, tokenizer, 128)),
    ]
    assert len({other.made_of for other in [work, *others]}) == 6
    for other in others:
        with pytest.raises(InvalidInput, match="holds another data set") as refused:
            find_prepared(other, store)
        assert work.made_of[:12] in str(refused.value)
        assert other.made_of[:12] in str(refused.value)


def test_a_label_makes_another_data_set(tokenizer: PreTrainedTokenizerBase) -> None:
    task = SequenceClassification(kind="classification", labels=["good", "bad"])
    encoding = Encoding(task, tokenizer, 64)
    good, bad = (Work.of(Rows.of([Row({"text": "a cat"}, label)]), encoding) for label in task.labels)
    assert good.made_of != bad.made_of
