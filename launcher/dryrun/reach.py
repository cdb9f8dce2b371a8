"""What can be had from where a dry run stands, in bounded time."""

import os
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import TypeVar

from launcher.recipe.data import HuggingFace
from launcher.recipe.recipe import Recipe

ANSWER_S = 3.0
WITHIN_S = 10.0
NO_ANSWER = (ConnectionError, TimeoutError, PermissionError, socket.gaierror)
NAMED = frozenset(
    {
        *("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError", "EndpointConnectionError"),
        *("ConnectTimeoutError", "ClientConnectorError", "GatedRepoError"),
    }
)
"""Exceptions of stores' clients that come of no network or no credentials, by their names."""
Answer = TypeVar("Answer")


def within(seconds: float, call: Callable[[], Answer]) -> Answer:
    """The answer of a call, which goes on in a thread of its own where it takes longer.

    Raises:
        TimeoutError: it takes longer.
    """
    answers: list[Answer] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            answers.append(call())
        except BaseException as error:  # raised again by who waits
            failures.append(error)

    thread = threading.Thread(target=work, daemon=True)  # a pool's thread would be waited for when Python ends
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"no answer within {seconds:.0f} s")
    if failures:
        raise failures[0]
    return answers[0]


def unreachable(error: BaseException) -> bool:
    """Whether something could not be reached from here, or not with the credentials that are here.

    All else, such as a file that is not there, is found by a cluster too.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, NO_ANSWER) or NAMED & {each.__name__ for each in type(seen).__mro__}:
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def offline(recipe: Recipe) -> dict[str, str]:
    """What the environment needs where a recipe asks the hub and that does not answer: its clients try for minutes."""
    from launcher.model.fetch import is_local

    name = getattr(recipe.model, "name_or_path", "./")
    sources = [*(each.source for each in recipe.data.train_sources.values()), recipe.data.test, recipe.data.validation]
    asks = ("://" not in name and not is_local(name)) or any(isinstance(each, HuggingFace) for each in sources)
    return {} if not asks or _hub_answers() else {"HF_HUB_OFFLINE": "1"}


def _hub_answers() -> bool:
    request = urllib.request.Request(os.environ.get("HF_ENDPOINT", "https://huggingface.co"), method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=ANSWER_S).close()
    except urllib.error.HTTPError:  # an answer all the same
        return True
    except OSError:
        return False
    return True
