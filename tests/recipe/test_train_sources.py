"""What a recipe trains on: one source, a prepared data set, or a mixture of both."""

import pytest

from launcher.recipe.load import load_recipe, resolved_yaml

MIXTURE = """\
    kind: mixture
    sources:
      web: {weight: 3, source: {kind: csv, url: web.csv}, labels: {plus: good, minus: bad}}
      books:
        weight: 0.5
        source: {kind: prepared, url: s3://bucket/books}
  test: {kind: csv, url: test.csv}
"""


@pytest.fixture
def mixture_text(recipe_text):
    """The recipe, with a mixture to train on."""
    source = "    kind: csv\n    url: rows.csv\n  split: {train_per_class: 10, test_per_class: 5}\n"
    assert source in recipe_text
    return recipe_text.replace(source, MIXTURE) + "evaluation: {classical: false}\n"


@pytest.fixture
def prepared_text(recipe_text):
    """The recipe, with prepared data to train on."""
    text = recipe_text.replace("kind: csv\n    url: rows.csv", "kind: prepared\n    url: data/moods")
    text = text.replace("split: {train_per_class: 10, test_per_class: 5}", "test: {kind: csv, url: test.csv}")
    text = text.replace("kind: scratch\n  vocab_size: 300", "kind: pretrained\n  name_or_path: org/llama")
    return text + "evaluation: {classical: false}\n"


def sources(*overrides):
    found = load_recipe("moods.yaml", overrides).data.train_sources
    return {path: one.model_dump(exclude_none=True) for path, one in found.items()}


WEB = {"kind": "csv", "url": "web.csv", "encoding": "utf-8"}


def test_sources_of_a_mixture_are_known_by_their_names_in_any_order(mixture_text, write):
    write("moods.yaml", mixture_text)
    found = sources()
    assert list(found) == ["data.train.sources.books", "data.train.sources.web"]
    assert found == {
        "data.train.sources.books": {"weight": 0.5, "source": {"kind": "prepared", "url": "s3://bucket/books"}},
        "data.train.sources.web": {"weight": 3.0, "source": WEB, "labels": {"plus": "good", "minus": "bad"}},
    }


def test_a_source_by_itself_is_all_there_is(recipe_text, write):
    write("moods.yaml", recipe_text)
    assert sources() == {"data.train": {"weight": 1.0, "source": {**WEB, "url": "rows.csv"}}}


def test_overrides_reach_into_a_mixture(mixture_text, write):
    write("moods.yaml", mixture_text)
    found = sources(
        "data.train.sources.web.weight=0.1",
        "data.train.sources.web.source.url=123",
        "data.train.sources.books.source.kind=jsonl",
        "data.train.sources.books.source.url=books.jsonl",
        "data.train.sources.news={weight: 2, source: {kind: arrow, url: news.arrow}}",
    )
    assert found["data.train.sources.web"]["weight"] == 0.1
    assert found["data.train.sources.web"]["source"] == {**WEB, "url": "123"}
    assert found["data.train.sources.books"]["source"] == {**WEB, "kind": "jsonl", "url": "books.jsonl"}
    assert found["data.train.sources.news"]["source"] == {"kind": "arrow", "url": "news.arrow"}


def test_a_file_changes_sources_of_the_one_it_extends_by_name(mixture_text, write):
    write("base.yaml", mixture_text)
    write(
        "moods.yaml",
        """\
extends: base.yaml
data:
  train:
    sources:
      books: {weight: 1}
      web: {source: {kind: headlines, rows_per_class: 2, templates: seen, seed: 1}}
      news: {weight: 2, source: {kind: arrow, url: news.arrow}}
""",
    )
    found = sources()
    assert {path.rpartition(".")[2]: one["weight"] for path, one in found.items()} == {"books": 1, "news": 2, "web": 3}
    assert found["data.train.sources.books"]["source"]["url"] == "s3://bucket/books"
    assert found["data.train.sources.web"]["source"].keys() == {"kind", "rows_per_class", "templates", "seed"}


def test_one_source_takes_the_place_of_a_mixture(mixture_text, write):
    write("base.yaml", mixture_text)
    write("moods.yaml", "extends: base.yaml\ndata: {train: {kind: jsonl, url: rows.jsonl}}\n")
    assert list(sources()) == ["data.train"]


@pytest.mark.parametrize("text", ["mixture_text", "prepared_text"])
def test_the_resolved_recipe_loads_back(text, write, request):
    write("moods.yaml", request.getfixturevalue(text))
    recipe = load_recipe("moods.yaml")
    write("again.yaml", resolved_yaml(recipe))
    assert load_recipe("again.yaml") == recipe


ENDS = "the sources of a mixture end at different times"
MISTAKES = [
    ("weight: 3", "weight: 0", "16:13: data.train.sources.web.weight: expected a number greater than 0, found 0"),
    ("weight: 3", "wait: 3", "16:7: data.train.sources.web.weight: missing; this key is required"),
    ("weight: 3", "weight: 3, wait: 3", "16:24: data.train.sources.web.wait: unknown key; did you mean weight?"),
    ("kind: csv, url: web", "kind: cvs, url: web", "16:33: data.train.sources.web.source.kind: expected csv, "),
    ("url: web.csv", "urls: web.csv", "16:44: data.train.sources.web.source.urls: unknown key"),
    ("minus: bad", "minus: badd", "16:80: data.train.sources.web.labels.minus: label 'badd' is not in "),
    (
        "      web:",
        "      w.b:",
        "16:7: data.train.sources.w.b: expected text that matches ^[A-Za-z0-9_-]{1,40}$, found 'w.b'",
    ),
    ("kind: prepared", "kind: mixture", "19:18: data.train.sources.books.source.kind: expected csv, "),
    (
        "max_steps: 20",
        "num_train_epochs: 2",
        f"25:1: training.max_steps: {ENDS}, so nothing else says when the run does; give a number of steps",
    ),
    (
        "max_steps: 20",
        "max_steps: 20\n  save_strategy: epoch",
        f"27:3: training.save_strategy: {ENDS}, so it has no epochs; say steps",
    ),
    (
        "  test: {kind: csv, url: test.csv}",
        "  split: {test_per_class: 5}",
        "20:3: data.split: no rows are cut from train, as train is a mixture; remove it, or say null, and give "
        "data.test and data.validation (sources)",
    ),
    (
        "{classical: false}",
        "{classical: true}",
        "28:14: evaluation.classical: TF-IDF is fitted on the words of the training rows, and prepared data are "
        "tokens; say false",
    ),
]


@pytest.mark.parametrize(("old", "new", "line"), MISTAKES, ids=[new.strip() for _, new, _ in MISTAKES])
def test_a_mistake_in_a_mixture_is_told_with_its_place(old, new, line, mixture_text, write, told):
    assert mixture_text.count(old) == 1
    write("moods.yaml", mixture_text.replace(old, new))
    assert any(found.startswith(f"moods.yaml:{line}") for found in told("moods.yaml")), told("moods.yaml")


def test_a_mixture_without_sources_is_refused(recipe_text, write, told):
    write("moods.yaml", recipe_text)
    assert told("moods.yaml", "data.train={kind: mixture, sources: {}}") == [
        "override 'data.train={kind: mixture, sources: {}}': data.train.sources: expected at least 1 items, found an "
        "empty mapping"
    ]


def test_prepared_data_are_to_train_on_only(prepared_text, write, told):
    write("moods.yaml", prepared_text)
    assert sources() == {"data.train": {"weight": 1.0, "source": {"kind": "prepared", "url": "data/moods"}}}
    (line,) = told("moods.yaml", "data.test={kind: prepared, url: x}")
    assert "data.test.kind: expected csv, " in line
    assert line.endswith("found 'prepared'")


@pytest.mark.parametrize(
    ("override", "line"),
    [
        (
            "data.split={validation_per_class: 3}",
            "data.split: no rows are cut from train, as prepared data are not read by rows; remove it, or say null, "
            "and give data.test and data.validation (sources)",
        ),
        (
            "evaluation.classical=true",
            "evaluation.classical: TF-IDF is fitted on the words of the training rows, and prepared data are tokens; "
            "say false",
        ),
        (
            "model={kind: scratch}",
            "model.kind: the tokenizer of a model from scratch is trained on the training rows, and prepared data are "
            "tokens; say pretrained, with the model whose tokenizer the data were prepared with",
        ),
    ],
)
def test_what_needs_the_words_of_the_training_rows_is_refused(override, line, prepared_text, write, told):
    write("moods.yaml", prepared_text)
    assert told("moods.yaml", override) == [f"override '{override}': {line}"]


def test_without_labels_there_is_no_classical_line_to_refuse(prepared_text, write):
    write("moods.yaml", prepared_text.replace("  labels: {up: good, down: bad}\n", ""))
    assert sources("task.label_words=null", "evaluation.classical=true")


def test_a_model_from_scratch_may_mix_rows_and_prepared_data(mixture_text, write):
    write("moods.yaml", mixture_text)
    assert load_recipe("moods.yaml").model.kind == "scratch"
