"""Words of input that end in a shell on the cluster, and values that everyone there can read."""

import re
from collections.abc import Mapping, Sequence

from launcher.errors import InvalidInput

PLAIN = re.compile(r"[A-Za-z0-9_./:@%+=,~-]+")
"""What no shell takes apart, so it needs no quotes."""
SECRET_WORDS = {"TOKEN", "SECRET", "SECRETS", "PASSWORD", "PASSWD", "PASS", "PASSPHRASE", "KEY", "APIKEY",
                "CREDENTIAL", "CREDENTIALS"}  # fmt: skip
NO_SECRET_ENDS = {"PATH", "FILE", "DIR", "NAME", "CREDENTIALS"}
"""A variable that ends so names a place: `GOOGLE_APPLICATION_CREDENTIALS` is a file."""
PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")
"""In a URL."""
IN_A_URL = "has a password in it, which everyone on the cluster could read; put it into cluster.secrets"
VARIABLE = re.compile(r"\$(\{|\w*[A-Za-z_])")
"""What Ray puts a variable of the machine in for, and there is no way to tell it not to (`update_envs` in 2.60)."""


def refuse_unplain(field: str, words: Sequence[str]) -> None:
    """For words that KubeRay and Ray paste into a shell.

    Args:
        field: Where the user wrote them.

    Raises:
        InvalidInput: a word holds what a shell would take apart.
    """
    for word in words:
        if not PLAIN.fullmatch(word):
            strange = next((letter for letter in word if not PLAIN.fullmatch(letter)), "")
            raise InvalidInput(
                f"{field}: {word!r} holds {strange!r} and ends in a shell on the cluster; use letters, digits and "
                "_ . / : @ % + = , ~ -"
            )


def refuse_variables(environment: Mapping[str, str]) -> None:
    """For what Ray hands to workers as their environment.

    Raises:
        InvalidInput: a value names a variable.
    """
    for name, value in environment.items():
        if VARIABLE.search(value):
            raise InvalidInput(
                f"cluster.environment.{name}: {value!r} names a variable, and Ray would put in what a worker's machine "
                "has there; write what it shall be"
            )


def refuse_told_secrets(environment: Mapping[str, str], storage: str) -> None:
    """For what is written into manifests, runtime environments and argument lists.

    Raises:
        InvalidInput: a variable is called as secrets are, or a URL has a password in it.
    """
    for name, value in environment.items():
        words = name.upper().split("_")
        if SECRET_WORDS & set(words) and words[-1] not in NO_SECRET_ENDS:
            raise InvalidInput(
                f"cluster.environment.{name}: is called as secrets are, and everyone on the cluster could read it; "
                f"put the name {name} into cluster.secrets and the value where the cluster keeps secrets"
            )
        if PASSWORD.search(value):
            raise InvalidInput(f"cluster.environment.{name}: {IN_A_URL}")
    if PASSWORD.search(storage):
        raise InvalidInput(f"cluster.storage: {IN_A_URL}")
