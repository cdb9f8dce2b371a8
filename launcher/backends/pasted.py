"""Words of input that end in a shell on the cluster, and values that everyone there can read."""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from launcher.errors import InvalidInput

PLAIN = re.compile(r"[A-Za-z0-9_./:@%+=,~-]+")
"""What no shell takes apart, so it needs no quotes."""
SECRET_WORDS = {"TOKEN", "SECRET", "SECRETS", "PASSWORD", "PASSWD", "PASSPHRASE", "KEY", "CREDENTIAL", "CREDENTIALS"}
NO_SECRET_ENDS = {"PATH", "FILE", "DIR", "NAME", "CREDENTIALS"}
"""A variable that ends so names a place: `GOOGLE_APPLICATION_CREDENTIALS` is a file."""


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


def refuse_told_secrets(environment: Mapping[str, str], storage: str) -> None:
    """For what is written into manifests, runtime environments and argument lists.

    Raises:
        InvalidInput: a variable is called as secrets are, or a URL has a password in it.
    """
    for name in environment:
        words = name.upper().split("_")
        if SECRET_WORDS & set(words) and words[-1] not in NO_SECRET_ENDS:
            raise InvalidInput(
                f"cluster.environment.{name}: is called as secrets are, and everyone on the cluster could read it; "
                f"put the name {name} into cluster.secrets and the value where the cluster keeps secrets"
            )
    if urlsplit(storage).password is not None:
        raise InvalidInput(
            "cluster.storage: has a password in it, which everyone on the cluster could read; put credentials into "
            "cluster.secrets"
        )
