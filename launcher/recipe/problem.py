"""One thing that is wrong in a recipe or profile, told in one line; and the error that tells all of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from launcher.errors import InvalidInput

KeyPath = tuple[str | int, ...]
"""Where a value stands, such as `("data", "train", "columns", 0)`."""


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class OverrideMark:
    """A `KEY=VALUE` of the command line."""

    text: str

    def __str__(self) -> str:
        return f"override '{self.text}'"


@dataclass(frozen=True, slots=True)
class Problem:
    mark: Mark | OverrideMark | None
    path: str
    """The dotted path of the key, empty for a whole file."""
    message: str
    hint: str | None = None
    """How to mend it."""

    def __str__(self) -> str:
        """`file:line:column: path: message; hint`, always one line."""
        told = f"{self.message}; {self.hint}" if self.hint else self.message
        line = ": ".join(str(part) for part in (self.mark, self.path, told) if part)
        return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)

    def covers(self, other: "Problem") -> bool:
        """Whether `other` is about the same value or one inside it."""
        return bool(self.path) and f"{other.path}.".startswith(f"{self.path}.")


class RecipeError(InvalidInput):
    """Everything that is wrong with a recipe or profile, a line each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(problems, key=_reading_order)
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[type["RecipeError"], tuple[list[Problem]]]:
        return RecipeError, (self.problems,)


def dotted(path: KeyPath) -> str:
    return ".".join(map(str, path))


def _reading_order(problem: Problem) -> tuple[bool, Mark]:
    in_file = isinstance(problem.mark, Mark)
    return (not in_file, problem.mark if isinstance(problem.mark, Mark) else Mark("", 0, 0))
