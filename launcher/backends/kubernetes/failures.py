"""What an answer of an API server means, in words that a person can act on."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from launcher.errors import InvalidInput, LauncherError

BUSY = {429, 500, 502, 503, 504}
"""Answers after which the same question may be asked again."""


class NotThere(LauncherError):
    """The cluster has no object of this name."""


class Taken(LauncherError):
    """The cluster has an object of this name already."""


class Unreachable(LauncherError):
    """No answer came: whether what was asked for was done is not known."""


class NotPermitted(InvalidInput):
    """The account may not do this."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, in the words of roles."""

    verb: str
    resource: str
    """With its group, such as rayjobs.ray.io."""
    namespace: str
    host: str

    @property
    def where(self) -> str:
        return f"{self.resource} in namespace {self.namespace}"


@dataclass(frozen=True, slots=True)
class Meaning:
    """Of answers with these codes, where what they say fits."""

    codes: set[int]
    fits: Callable[[Any, str], bool]
    kind: type[LauncherError]
    told: str


def _any(error: Any, message: str) -> bool:
    return True


MEANINGS = (
    Meaning({401}, _any, InvalidInput, "{host} does not take the credentials: {message}; log in again"),
    Meaning(
        {403}, lambda _, told: "exceeded quota" in told, LauncherError, "the namespace's quota is used up: {message}"
    ),
    Meaning({403}, _any, NotPermitted, "no permission to {verb} {where}: ask for a role that allows it ({message})"),
    Meaning(
        {404},
        lambda error, _: not _names_an_object(error),
        NotThere,
        "{host} knows no {resource}: have KubeRay 1.7 or later installed there",
    ),
    Meaning({404}, _any, NotThere, "{where}: {message}"),
    Meaning({409}, _any, Taken, "{where}: {message}"),
    Meaning({400, 422}, _any, InvalidInput, "{host} refuses {where}: {message}"),
    Meaning(BUSY, _any, Unreachable, "{host} could not {verb} {where}: {code} {message}; try again later"),
)
OTHERWISE = "{host} could not {verb} {where}: {code} {message}"


def failure(error: Any, asked: Asked) -> LauncherError:
    """What to raise.

    Args:
        error: A kubernetes.client.exceptions.ApiException.
    """
    code, message = int(error.status or 0), _message(error)
    words = {"code": code, "message": message, "where": asked.where}
    words |= {"verb": asked.verb, "resource": asked.resource, "host": asked.host}
    for meaning in MEANINGS:
        if code in meaning.codes and meaning.fits(error, message):
            return meaning.kind(meaning.told.format(**words))
    return LauncherError(OTHERWISE.format(**words))


def one_line(told: object) -> str:
    return " ".join(str(told).split())


def _message(error: Any) -> str:
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return one_line(_text(error.body) or error.reason)


def _names_an_object(error: Any) -> bool:
    """An absent object is told with its name; an absent kind of objects without any."""
    try:
        return bool(json.loads(error.body)["details"]["name"])
    except (TypeError, ValueError, KeyError):
        return False


def _text(body: Any) -> str:
    return body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
