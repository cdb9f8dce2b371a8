"""What YAML text becomes."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from launcher.recipe import yaml_source
from launcher.recipe.problem import Mark
from launcher.recipe.yaml_source import parse, paths

SCALARS = {
    "no": "no",
    "Yes": "Yes",
    "on": "on",
    "true": True,
    "False": False,
    "~": None,
    "null": None,
    "": None,
    "12": 12,
    "-3": -3,
    "010": 10,
    "0x10": "0x10",
    "0o10": "0o10",
    "1:30": "1:30",
    "1_000": "1_000",
    "1e-4": 1e-4,
    "2e5": 2e5,
    "1.5": 1.5,
    ".5": 0.5,
    "1.": 1.0,
    "1e999": float("inf"),
    "9" * 5000: float("inf"),
    ".inf": ".inf",
    ".nan": ".nan",
    "2024-01-31": "2024-01-31",
    "=": "=",
    "'12'": "12",
    '"true"': "true",
}


@pytest.mark.parametrize(("text", "value"), SCALARS.items(), ids=[text[:12] for text in SCALARS])
def test_scalars_are_typed_as_yaml_1_2_does(text, value):
    found = parse(f"key: {text}\n".encode(), "f").value["key"]
    assert found == value
    assert type(found) is type(value)


def test_marks_count_from_one_in_characters():
    text = "\ufeffä: 1\r\nb:\r\n  - x\r\n  - {é: 1, z: 2}\r\n"
    assert parse(text.encode(), "f").marks == {
        (): Mark("f", 1, 1),
        ("ä",): Mark("f", 1, 1),
        ("b",): Mark("f", 2, 1),
        ("b", 0): Mark("f", 3, 5),
        ("b", 1): Mark("f", 4, 5),
        ("b", 1, "é"): Mark("f", 4, 6),
        ("b", 1, "z"): Mark("f", 4, 12),
    }


def test_a_bomb_of_aliases_is_never_expanded():
    text = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 100))
    parsed = parse(text.encode(), "f")
    assert len(parsed.problems) == 100 + 2 * 99
    assert parsed.value["a99"] == [None, None]


TABS = ["a:\n\tb: 1\n", "a:\n  b: 1\n\tc: 2\n", "a:\n- b\n\t- c\n", "a: x\n\tb\n", "a:\n  \tb: 1\n"]


@pytest.mark.parametrize("text", TABS)
@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml.CSafeLoader])
def test_tabs_are_told_with_and_without_libyaml(text, loader, monkeypatch):
    monkeypatch.setattr(yaml_source, "_LOADER", loader)
    line = next(number for number, one in enumerate(text.splitlines(), 1) if "\t" in one)
    column = text.splitlines()[line - 1].index("\t") + 1
    assert [str(one) for one in parse(text.encode(), "f").problems] == [
        f"f:{line}:{column}: tab as indentation; use spaces"
    ]


def test_tabs_inside_values_stay():
    assert parse(b'a: "x\ty"\nb: |\n  p\tq\n', "f").value == {"a": "x\ty", "b": "p\tq\n"}


@given(st.binary(max_size=60) | st.text("ab:-[]{}&*!|>'\"#%@\n\t ?,<~1", max_size=60).map(str.encode))
def test_any_bytes_become_a_value_or_problems(content):
    parsed = parse(content, "f")
    assert parsed.readable or parsed.problems
    assert all(str(problem).startswith("f:") and problem.mark.line >= 1 for problem in parsed.problems)
    if not parsed.problems and parsed.value is not None:
        assert set(parsed.marks) == set(paths(parsed.value))
