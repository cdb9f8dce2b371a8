"""A file that a URL names, on this machine's disk for as long as it is read."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from launcher.recipe.problem import Mark, Problem, RecipeError
from launcher.recipe.yaml_source import shown


@contextmanager
def at_hand(reference: str) -> Iterator[str]:
    """A path that can be read; a reference that is no URL stays as it is.

    Raises:
        RecipeError: the URL cannot be read; what the file is refused with inside the context tells the URL.
    """
    if "://" not in reference:
        yield reference
        return
    from launcher.storage.store import Store

    folder, _, name = reference.rpartition("/")
    with tempfile.TemporaryDirectory(prefix="ll-file-") as made:
        copy = Path(made, "file.yaml")
        try:
            copy.write_bytes(Store.open(folder).read(name))
        except Exception as error:  # every store's client has errors of its own
            reason = " ".join(str(error).split()) or type(error).__name__
            told = Problem(None, reference, f"cannot be read: {reason}", "give a file that is there")
            raise RecipeError([told]) from error
        try:
            yield str(copy)
        except RecipeError as error:
            raise RecipeError([_under(reference, copy, one) for one in error.problems]) from None


def _under(reference: str, copy: Path, problem: Problem) -> Problem:
    mark = problem.mark
    if not isinstance(mark, Mark) or mark.file != shown(copy):
        return problem
    return replace(problem, mark=replace(mark, file=reference))
