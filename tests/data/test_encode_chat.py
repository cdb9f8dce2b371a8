"""Which tokens of a conversation the loss counts."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from launcher.data.encode import IGNORED, Example, encode_row, encode_test_rows, usable, whole_text
from launcher.data.encode.chat import chat_prompt, turn_end_id
from launcher.data.encode.turns import ChatRenderer
from launcher.data.messages import Message
from launcher.data.rows import Row
from launcher.errors import InvalidInput
from launcher.model.scratch import make_tokenizer
from launcher.recipe.load import load_recipe
from launcher.recipe.task import Chat

CONVERSATION: list[Message] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What barks?"},
    {"role": "assistant", "content": "A dog."},
    {"role": "user", "content": "And what purrs?"},
    {"role": "assistant", "content": "Cats do."},
]
# Whole words become tokens, but for `Cats`, which is two
LEARNT = [
    "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nWhat barks? [/INST] A dog. And what purrs? Cat do.\n",
    "system\nuser\nassistant\n\nBe\nBe brief. And\nAnd what A\nA dog What\nCat",
] * 5
SPECIAL = ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|im_start|>", "<|im_end|>"]

Table = list[tuple[bool, str]]
"""Whether the loss counts tokens, and the tokens as byte-level BPE names them: Ġ is a space, Ċ the end of a line."""

LLAMA_2: Table = [
    (False, "<s> [ INST ] Ġ<< SYS >> Ċ Be Ġbrief . Ċ <</ SYS >> Ċ Ċ What Ġbarks ? Ġ[/ INST ]"),
    (True, "ĠA Ġdog . Ġ </s>"),
    (False, "<s> [ INST ] ĠAnd Ġwhat Ġpurrs ? Ġ[/ INST ]"),
    (True, "ĠCat s Ġdo . Ġ </s>"),
]
LLAMA_3: Table = [
    (False, "<s> <|start_header_id|> system <|end_header_id|> Ċ Ċ Be Ġbrief . <|eot_id|>"),
    (False, "<|start_header_id|> user <|end_header_id|> Ċ Ċ What Ġbarks ? <|eot_id|>"),
    (False, "<|start_header_id|> assistant <|end_header_id|> Ċ Ċ"),
    (True, "A Ġdog . <|eot_id|>"),
    (False, "<|start_header_id|> user <|end_header_id|> Ċ Ċ And Ġwhat Ġpurrs ? <|eot_id|>"),
    (False, "<|start_header_id|> assistant <|end_header_id|> Ċ Ċ"),
    (True, "Cat s Ġdo . <|eot_id|>"),
]
CHATML: Table = [
    (False, "<|im_start|> system Ċ Be Ġbrief . <|im_end|> Ċ"),
    (False, "<|im_start|> user Ċ What Ġbarks ? <|im_end|> Ċ"),
    (False, "<|im_start|> assistant Ċ"),
    (True, "A Ġdog . <|im_end|>"),
    (False, "Ċ"),
    (False, "<|im_start|> user Ċ And Ġwhat Ġpurrs ? <|im_end|> Ċ"),
    (False, "<|im_start|> assistant Ċ"),
    (True, "Cat s Ġdo . <|im_end|>"),
    (False, "Ċ"),
]

FORMATS = {"llama2": LLAMA_2, "llama3": LLAMA_3, "chatml": CHATML}
Shipped = Callable[[str], Chat]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    made = make_tokenizer(LEARNT, vocab_size=400, max_length=999)
    made.add_special_tokens({"additional_special_tokens": SPECIAL})
    return made


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    """The task of a shipped recipe part, as a recipe that extends it has it."""
    base = Path(__file__).parents[2] / "recipes" / "base"
    folder = tmp_path_factory.mktemp("recipes")

    def load(name: str) -> Chat:
        (folder / f"{name}.yaml").write_text(
            f"extends: [{base}/chat-{name}.yaml]\nname: a\nmodel: {{kind: scratch}}\nmethod: {{kind: full}}\n"
            "strategy: {kind: ddp}\n"
            "data: {train: {kind: jsonl, url: a.jsonl}, split: {train_per_class: 1, test_per_class: 1}}\n"
        )
        task = load_recipe(str(folder / f"{name}.yaml")).task
        assert isinstance(task, Chat)
        return task

    return load


def chat(template: str | None = None, **fields: str) -> Chat:
    return Chat.model_validate({"kind": "chat", "template": template, **fields})


def row(messages: list[Message]) -> Row:
    return Row({"messages": json.dumps(messages)}, None)


def encoded(task: Chat, tokenizer: PreTrainedTokenizerBase, length: int = 999, messages: object = None) -> Example:
    (example,) = encode_row(row(messages or CONVERSATION), task, tokenizer, length)  # type: ignore[arg-type]
    return example


def counted(example: Example, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    return tokenizer.convert_ids_to_tokens([label for label in example.labels if label != IGNORED])


@pytest.mark.parametrize("name", FORMATS)
def test_each_token_is_counted_or_not_as_written_by_hand(
    name: str, shipped: Shipped, tokenizer: PreTrainedTokenizerFast
) -> None:
    example = encoded(shipped(name), tokenizer)
    tokens = tokenizer.convert_ids_to_tokens(example.input_ids)
    expected = [(token, label) for label, part in FORMATS[name] for token in part.split(" ")]
    assert list(zip(tokens, [label != IGNORED for label in example.labels], strict=True)) == expected
    assert all(label in (token, IGNORED) for label, token in zip(example.labels, example.input_ids, strict=True))
    assert not example.truncated


WORDS = st.text("aBé😀1 \n.<|[/", min_size=1, max_size=12).map(str.strip).filter(bool)
TURNS = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=3)
ENDS = {"llama2": " {} </s>", "llama3": "{}<|eot_id|>", "chatml": "{}<|im_end|>"}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(FORMATS)), st.none() | WORDS, TURNS)
def test_counted_tokens_are_what_the_assistant_says_and_the_ends_of_its_turns(
    shipped: Shipped, tokenizer: PreTrainedTokenizerFast, name: str, system: str | None, turns: list[tuple[str, str]]
) -> None:
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    for asked, answered in turns:
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
    example = encoded(shipped(name), tokenizer, messages=messages)
    said = tokenizer.decode([label for label in example.labels if label != IGNORED])
    assert said == "".join(ENDS[name].format(answered) for _, answered in turns)
    assert tokenizer.decode(example.input_ids) == ChatRenderer(shipped(name), tokenizer).render(messages)


def test_a_sentencepiece_tokenizer_counts_the_same(stories: Path, shipped: Shipped) -> None:
    tokenizer = AutoTokenizer.from_pretrained(stories)
    example = encoded(shipped("llama2"), tokenizer)
    assert tokenizer.decode([label for label in example.labels if label != IGNORED]) == "A dog. </s> Cats do. </s>"
    whole = ChatRenderer(shipped("llama2"), tokenizer).render(CONVERSATION)
    assert example.input_ids == tokenizer(whole, add_special_tokens=False).input_ids


def test_the_tokenizers_own_template_is_the_default(shipped: Shipped, tokenizer: PreTrainedTokenizerFast) -> None:
    task = shipped("llama3")
    with pytest.raises(InvalidInput, match=r"^task\.template: the tokenizer has no chat template; give one"):
        encoded(chat(), tokenizer)
    own = make_tokenizer(LEARNT, vocab_size=400, max_length=999)
    own.chat_template = task.template
    assert encoded(chat(), own) == encoded(task, own)


def test_the_last_turn_alone_counts_where_it_is_asked_for(shipped: Shipped, tokenizer: PreTrainedTokenizerFast) -> None:
    every = encoded(shipped("llama3"), tokenizer)
    last = encoded(shipped("llama3").model_copy(update={"train_on": "last"}), tokenizer)
    assert last.input_ids == every.input_ids
    assert counted(every, tokenizer) == ["A", "Ġdog", ".", "<|eot_id|>", "Cat", "s", "Ġdo", ".", "<|eot_id|>"]
    assert counted(last, tokenizer) == ["Cat", "s", "Ġdo", ".", "<|eot_id|>"]


MARKED = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.role == 'assistant' %}"
    "{% generation %}{{ m.content | upper }}<|im_end|>{% endgeneration %}{% else %}{{ m.content }}<|im_end|>{% endif %}"
    "{{ '\n' }}{% endfor %}"
)


def test_marks_of_the_template_go_before_all_else(tokenizer: PreTrainedTokenizerFast) -> None:
    said = [label for label in encoded(chat(MARKED), tokenizer).labels if label != IGNORED]
    assert tokenizer.decode(said) == "A DOG.<|im_end|>CATS DO.<|im_end|>"
    task = chat(MARKED, train_on="last")
    said = [label for label in encoded(task, tokenizer).labels if label != IGNORED]
    assert tokenizer.decode(said) == "CATS DO.<|im_end|>"


def test_an_end_that_stands_after_the_last_turn_alone_is_counted_there(tokenizer: PreTrainedTokenizerFast) -> None:
    template = (
        "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}"
        "{{ 'assistant: ' if add_generation_prompt else eos_token }}"
    )
    example = encoded(chat(template), tokenizer)
    assert tokenizer.decode([label for label in example.labels if label != IGNORED]) == " A dog.\n Cats do.\n</s>"


def test_a_long_conversation_keeps_its_beginning(shipped: Shipped, tokenizer: PreTrainedTokenizerFast) -> None:
    whole = encoded(shipped("chatml"), tokenizer)
    cut = encoded(shipped("chatml"), tokenizer, len(whole.input_ids) - 3)
    assert cut == Example(whole.input_ids[:-3], whole.labels[:-3], truncated=True)
    assert counted(cut, tokenizer)[-3:] == ["Cat", "s", "Ġdo"]


def test_rows_that_lose_every_label_are_left_out_and_counted(
    shipped: Shipped, tokenizer: PreTrainedTokenizerFast
) -> None:
    short = encoded(shipped("llama3"), tokenizer, 40)
    masked = encoded(shipped("llama3"), tokenizer, 24)
    assert (short.label_tokens > 0, masked.label_tokens) == (True, 0)
    assert usable([masked, short, masked], "data.train", 24) == [short]
    with pytest.raises(InvalidInput) as caught:
        usable([masked], "data.train", 24)
    assert str(caught.value) == (
        "training.max_length: every label of data.train lies beyond the first 24 tokens of its row; raise it"
    )


def test_a_test_row_is_a_text_with_labels_if_it_has_some_left(
    shipped: Shipped, tokenizer: PreTrainedTokenizerFast
) -> None:
    long: list[Message] = [{**CONVERSATION[1], "content": "What barks? " * 9}, CONVERSATION[2]]
    rows = [row(long), row(CONVERSATION)]
    assert encode_test_rows(rows, shipped("chatml"), tokenizer, 30) == [encoded(shipped("chatml"), tokenizer, 30)]


def test_what_is_said_is_the_text_of_a_conversation(shipped: Shipped) -> None:
    said = "Be brief.\nWhat barks?\nA dog.\nAnd what purrs?\nCats do."
    assert whole_text(row(CONVERSATION), shipped("llama3")) == said


@pytest.mark.parametrize(("name", "end"), [("llama2", "</s>"), ("llama3", "<|eot_id|>"), ("chatml", "<|im_end|>")])
def test_a_question_is_answered_after_the_tokens_that_were_trained(
    name: str, end: str, shipped: Shipped, tokenizer: PreTrainedTokenizerFast
) -> None:
    task, messages = shipped(name), CONVERSATION[1:3]
    prompt, example = chat_prompt("What barks?", task, tokenizer), encoded(task, tokenizer, messages=messages)
    assert prompt == example.input_ids[: len(prompt)]
    assert example.labels[len(prompt) - 1] == IGNORED != example.labels[len(prompt)]
    assert turn_end_id(task, tokenizer) == tokenizer.convert_tokens_to_ids(end)


BAD = {
    "header outside the generation prompt": (
        "{% for m in messages %}{{ '<' + m.role + '>' + m.content + eos_token }}{% endfor %}",
        "'<assistant>' stands before the assistant's words; write it where add_generation_prompt is set, too",
    ),
    "another generation prompt": (
        "{% for m in messages %}{{ '<' + m.role + '>' + m.content }}{% endfor %}"
        "{% if add_generation_prompt %}<bot>{% endif %}",
        "what add_generation_prompt writes is not how the assistant's turn begins, or earlier turns change with "
        "later ones; mend it, or mark turns with {% generation %}",
    ),
    "earlier turns are left out": (
        "{% for m in messages[-2:] %}{{ m.role + ':' + m.content }}{% endfor %}"
        "{% if add_generation_prompt %}assistant:{% endif %}",
        "what add_generation_prompt writes is not how the assistant's turn begins, or earlier turns change with "
        "later ones; mend it, or mark turns with {% generation %}",
    ),
    "other words": (
        "{% for m in messages %}{{ m.role + ':' + m.content | upper }}{% endfor %}"
        "{% if add_generation_prompt %}assistant:{% endif %}",
        "the assistant's words do not follow the generation prompt as they are; "
        "mend it, or mark turns with {% generation %}",
    ),
    "no words": (
        "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}",
        "the assistant's words do not follow the generation prompt as they are; "
        "mend it, or mark turns with {% generation %}",
    ),
    "marks around nothing": (
        "{% for m in messages if m.role == 'bot' %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}",
        "{% generation %} marks nothing of an assistant's turn; put it around it",
    ),
    "its own complaint": (
        "{{ raise_exception('no system\nmessages') }}",
        "a conversation cannot be written with it: no system messages",
    ),
    "what is not there": (
        "{{ messages[0].name + 'x' }}",
        "a conversation cannot be written with it: 'dict object' has no attribute 'name'",
    ),
    "a type that does not fit": (
        "{{ messages[0].content + 1 }}",
        'a conversation cannot be written with it: can only concatenate str (not "int") to str',
    ),
    "what the sandbox forbids": (
        "{{ messages.__class__.__mro__ }}",
        "a conversation cannot be written with it: access to attribute '__class__' of 'list' object is unsafe.",
    ),
}


@pytest.mark.parametrize(("template", "line"), BAD.values(), ids=BAD.keys())
def test_a_template_that_does_not_lead_to_the_completion_is_refused_in_one_line(
    template: str, line: str, tokenizer: PreTrainedTokenizerFast
) -> None:
    with pytest.raises(InvalidInput) as caught:
        encoded(chat(template), tokenizer)
    assert str(caught.value) == f"task.template: {line}"
