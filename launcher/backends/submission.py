"""What is submitted: a run directory with recipe and profile, and the one command that trains from them."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from itertools import count

from launcher.cluster.profile import Profile
from launcher.errors import InvalidInput
from launcher.recipe.load import resolved_yaml
from launcher.recipe.recipe import Recipe
from launcher.storage.layout import profile_name, recipe_name
from launcher.storage.store import AlreadyExists, Store
from launcher.train.options import Options


@dataclass(frozen=True, slots=True)
class Submission:
    """A run that is to be submitted; nothing of it needs to be written yet."""

    run_id: str
    run_url: str
    """Its run directory, as the cluster's machines reach it."""
    recipe: Recipe
    profile: Profile
    number: int
    """Of the profile among those that the run was submitted with, from 1."""
    lead_s: float | None = None
    """Seconds ahead of its end that the run wants to be told, where the plan knows."""
    takeover: bool = False
    """The user's word that the attempt before has ended."""
    may_change: tuple[str, ...] = ()
    """Fields of the recipe that a run which goes on may have changed."""
    recipe_number: int = 1
    """Of the recipe among those that the run was submitted with, from 1."""

    @property
    def arguments(self) -> tuple[str, ...]:
        """The training command after the name of the program: the same on every backend."""
        profile = f"{self.run_url}/{profile_name(self.number)}"
        flags = Options(self.run_id, self.takeover, self.may_change).flags
        return ("run", f"{self.run_url}/{recipe_name(self.recipe_number)}", "--cluster", profile, *flags)

    @property
    def command(self) -> tuple[str, ...]:
        """The training command, for machines that have `launcher` on their path."""
        return ("launcher", *self.arguments)


def write_submission(submission: Submission, may_change: Collection[str] = ()) -> Submission:
    """Write recipe and profile into the run directory; both are created and never written over.

    Returns:
        The submission under the numbers of recipe and profile that were free.

    Raises:
        InvalidInput: the run directory cannot be written, or holds another recipe's run, or has ended with a model.
    """
    from launcher.train.run_directory import check_run, recipe_content, write_recipe

    store, recipe = Store.open(submission.run_url), submission.recipe
    check_run(store, recipe, may_change)
    write_recipe(store, recipe, may_change)
    recipe_number = _stored(store, recipe_name, recipe_content(recipe))
    number = _stored(store, profile_name, resolved_yaml(submission.profile).encode())
    return replace(submission, number=number, recipe_number=recipe_number)


def _stored(store: Store, name: Callable[[int], str], content: bytes) -> int:
    """The number under which this content is there by now."""
    for number in count(1):
        try:
            store.ensure(name(number), content)
        except AlreadyExists:
            continue
        return number
    raise AssertionError


def refuse_local_paths(recipe: Recipe, why: str) -> None:
    """For backends whose machines share no file system with this one.

    Args:
        why: Ends the message: what the machines can see.

    Raises:
        InvalidInput: the recipe names paths of this machine; tells each.
    """
    found = [f"{key}: {value}" for key, value in local_paths(recipe)]
    if found:
        raise InvalidInput(f"{'; '.join(found)}: {why}; give a URL such as s3://bucket/folder, or a hub id")


def local_paths(recipe: Recipe) -> list[tuple[str, str]]:
    """Every path of a file system that a recipe names, with the key it stands under; URLs and hub ids are none."""
    named = _named_places(recipe)
    return [(key, place) for key, place in named if "://" not in place]


def _named_places(recipe: Recipe) -> list[tuple[str, str]]:
    from launcher.model.fetch import is_local

    places: list[tuple[str, str]] = []
    name = getattr(recipe.model, "name_or_path", None)
    if name is not None and is_local(name):
        places.append(("model.name_or_path", name))
    start = getattr(recipe.method, "warm_start", None)
    if start is not None:
        places.append(("method.warm_start", start))
    sources = {key: one.source for key, one in recipe.data.train_sources.items()}
    sources |= {"data.test": recipe.data.test, "data.validation": recipe.data.validation}  # type: ignore[dict-item]
    for key, source in sources.items():
        urls = getattr(source, "url", [])
        places += [(f"{key}.url", url) for url in ([urls] if isinstance(urls, str) else urls)]
        dataset = getattr(source, "dataset", None)
        if dataset is not None and is_local(dataset):
            places.append((f"{key}.dataset", dataset))
    return places
