"""YAML text -> plain values, and where each of them was written. Only data: no tags, anchors or aliases."""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from launcher.recipe.problem import KeyPath, Mark, OverrideMark, Problem, dotted
from launcher.recipe.scalar import plain_scalar

MAX_BYTES = 1 << 20
MAX_NESTING = 32

_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_NOT_PRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Document:
    """A mapping, and for each path in it where its key (in lists: its item) was written; `()` is the whole."""

    values: dict[str, Any]
    marks: dict[KeyPath, Mark | OverrideMark]


@dataclass(frozen=True, slots=True)
class Parsed:
    """One YAML value of any kind."""

    value: Any
    marks: dict[KeyPath, Mark | OverrideMark]
    problems: list[Problem]
    readable: bool
    """False where the text is no YAML, so that `value` says nothing."""


def read_document(path: Path, problems: list[Problem]) -> Document | None:
    """The mapping in a file; what is wrong with it goes to `problems`, and None says that nothing could be read."""
    start = Mark(shown(path), 1, 1)
    content = _content(path)
    if isinstance(content, str):
        problems.append(Problem(start, "", content))
        return None
    parsed = parse(content, start.file)
    problems.extend(parsed.problems)
    if not parsed.readable:
        return None
    if not isinstance(parsed.value, dict):
        found = "the file is empty" if parsed.value is None else f"the file holds a {_kind(parsed.value)}"
        problems.append(
            Problem(parsed.marks.get((), start), "", f"{found}; expected keys and values, such as `name: x`")
        )
        return None
    return Document(parsed.value, parsed.marks)


def parse(content: bytes, file: str) -> Parsed:
    """Reads one YAML value; `file` names the text in the marks."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        mark = _mark_after(content[: error.start].decode("utf-8", "replace"), file)
        return _unreadable(mark, f"not UTF-8: byte 0x{content[error.start]:02x}", "save the file as UTF-8")
    if control := _NOT_PRINTABLE.search(text):
        code = f"U+{ord(control.group()):04X}"
        return _unreadable(_mark_after(text[: control.start()], file), f"not YAML: character {code} is not allowed")
    reader = _Reader(file, yaml.parse(text, Loader=_LOADER))
    try:
        value = reader.only_value()
    except yaml.MarkedYAMLError as error:
        return _unreadable(*_syntax_error(error, text, file), reader.problems)
    except _TooDeep as error:
        return _unreadable(error.mark, f"nested deeper than {MAX_NESTING} levels", None, reader.problems)
    return Parsed(value, reader.marks, reader.problems, readable=True)


def paths(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """The path of a value and of everything inside it."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*path, key))


def shown(path: Path) -> str:
    """A path as messages give it: relative where it lies under the working directory."""
    relative = os.path.relpath(path)
    return os.path.abspath(path) if relative.startswith(os.pardir) else relative


class _TooDeep(Exception):
    def __init__(self, mark: Mark) -> None:
        self.mark = mark


@dataclass(slots=True)
class _Reader:
    """Builds a value from libyaml's events, which unlike its nodes still show anchors and explicit tags."""

    file: str
    events: Iterator[Any]
    problems: list[Problem] = field(default_factory=list)
    marks: dict[KeyPath, Mark | OverrideMark] = field(default_factory=dict)

    def only_value(self) -> Any:
        next(self.events)
        if isinstance(next(self.events), yaml.StreamEndEvent):
            return None
        first = next(self.events)
        self.marks[()] = self.mark(first)
        value = self.value(first, ())
        next(self.events)
        if not isinstance(after := next(self.events), yaml.StreamEndEvent):
            self.refuse(after, (), "a second document begins here", "keep one document a file")
        return value

    def value(self, event: Any, path: KeyPath) -> Any:
        if len(path) > MAX_NESTING:
            raise _TooDeep(self.mark(event))
        if isinstance(event, yaml.AliasEvent):
            self.refuse(
                event, path, f"alias *{event.anchor} is not read", "write the value out, or share it by `extends`"
            )
            return None
        if event.anchor is not None:
            self.refuse(event, path, f"anchor &{event.anchor} is not read", "remove it, or share values by `extends`")
        if event.tag is not None:
            self.refuse(event, path, f"tag {event.tag} is not read", "write a plain value")
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(path)
        return plain_scalar(event.value) if event.implicit[0] else event.value

    def mapping(self, path: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.key(event, path)
            here = (*path, key)
            if key in values:
                self.refuse(event, here, "duplicate key", f"it was first given at {self.marks[here]}")
            self.marks[here] = self.mark(event)
            values[key] = self.value(next(self.events), here)
        return values

    def key(self, event: Any, path: KeyPath) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            self.refuse(event, path, "a key is not a string", "keys are plain words")
            self.value(event, (*path, "?"))
            return "?"
        key = self.value(event, (*path, event.value))
        if key == "<<" and event.implicit[0]:
            self.refuse(event, (*path, key), "merge keys are not read", "share values by `extends`")
        elif not isinstance(key, str):
            self.refuse(event, (*path, event.value), "this key is not a string", f"write it in quotes: '{event.value}'")
        return str(event.value)

    def sequence(self, path: KeyPath) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            here = (*path, len(values))
            self.marks[here] = self.mark(event)
            values.append(self.value(event, here))
        return values

    def mark(self, event: Any) -> Mark:
        return Mark(self.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def refuse(self, event: Any, path: KeyPath, message: str, hint: str) -> None:
        self.problems.append(Problem(self.mark(event), dotted(path), message, hint))


def _content(path: Path) -> bytes | str:
    """The bytes of a file, or why there are none."""
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            return "this is a directory; name a YAML file"
        if not stat.S_ISREG(about.st_mode):
            return "not a regular file; name a YAML file"
        if about.st_size > MAX_BYTES:
            return f"the file has {about.st_size} bytes, more than the {MAX_BYTES} that are read; is it a recipe?"
        return path.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _unreadable(mark: Mark, message: str, hint: str | None = None, before: list[Problem] | None = None) -> Parsed:
    return Parsed(None, {}, [*(before or []), Problem(mark, "", message, hint)], readable=False)


def _syntax_error(error: yaml.MarkedYAMLError, text: str, file: str) -> tuple[Mark, str, str | None]:
    at = error.problem_mark
    assert at is not None
    line = text.splitlines()[at.line : at.line + 1]
    indentation = re.match(r"[ \t]*", line[0] if line else "")
    assert indentation is not None
    if "\t" in indentation.group():
        return Mark(file, at.line + 1, indentation.group().index("\t") + 1), "tab as indentation", "use spaces"
    told = ", ".join(part for part in (error.context, error.problem) if part)
    return Mark(file, at.line + 1, at.column + 1), f"not YAML: {told}", None


def _mark_after(text: str, file: str) -> Mark:
    return Mark(file, text.count("\n") + 1, len(text) - text.rfind("\n"))


def _kind(value: Any) -> str:
    return "mapping" if isinstance(value, dict) else "list" if isinstance(value, list) else "single value"
