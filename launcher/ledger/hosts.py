"""Bad hosts of a storage root: each said once, in create-only entries, of which a host's newest one holds.

<storage>/hosts/<host>/word-<number>.json
"""

import json
import re
from datetime import UTC, datetime

from launcher.errors import InvalidInput, LauncherError
from launcher.storage.layout import HOSTS
from launcher.storage.retry import one_line
from launcher.storage.store import AlreadyExists, Store

HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
ENTRY = re.compile(rf"{HOSTS}/(?P<host>{HOST.pattern})/word-(?P<number>\d{{8}})\.json")
TRIES = 10
"""Of a number that somebody else takes first."""


def bad_hosts(storage: str) -> dict[str, str]:
    """Why each bad host is one, by its name; costs a listing, and a read for each host.

    Raises:
        InvalidInput: the storage cannot be read.
        LauncherError: an entry makes no sense.
    """
    store = Store.open(storage)
    said = {host: _read(store, host, number) for host, number in _newest(store).items()}
    return {host: str(word["why"]) for host, word in sorted(said.items()) if word["bad"]}


def ban(storage: str, host: str, why: str) -> None:
    """Leave a host out of what is submitted from now on.

    Raises:
        InvalidInput: that is no name of a host.
    """
    _say(Store.open(storage), host, {"bad": True, "why": why})


def unban(storage: str, host: str) -> None:
    """Take a host's ban back.

    Raises:
        InvalidInput: the host is not banned.
    """
    banned = bad_hosts(storage)
    if host not in banned:
        known = ", ".join(banned) or "none"
        raise InvalidInput(f"--unban: {host} is not on the ledger of bad hosts, which has {known}")
    _say(Store.open(storage), host, {"bad": False, "why": "taken back"})


def _say(store: Store, host: str, word: dict[str, object]) -> None:
    if not HOST.fullmatch(host):
        raise InvalidInput(f"--ban: {host!r} is no name of a host; use letters, digits, dot, dash and underscore")
    told = {**word, "time": datetime.now(UTC).isoformat(timespec="seconds")}
    for _ in range(TRIES):
        number = _newest(store).get(host, 0) + 1
        try:
            store.create(_name(host, number), json.dumps(told).encode())
        except AlreadyExists:
            continue
        return
    raise LauncherError(f"{store.location}/{HOSTS}/{host}: others write there at the same time; try again")


def _newest(store: Store) -> dict[str, int]:
    try:
        names = store.list(HOSTS)
    except Exception as error:  # every store's client has errors of its own
        mend = "give a folder or bucket that is there, and its credentials"
        raise InvalidInput(f"storage root {store.location} cannot be read: {one_line(error)}; {mend}") from error
    found: dict[str, int] = {}
    for match in filter(None, map(ENTRY.fullmatch, names)):
        found[match["host"]] = max(found.get(match["host"], 0), int(match["number"]))
    return found


def _read(store: Store, host: str, number: int) -> dict[str, object]:
    name = _name(host, number)
    try:
        word: dict[str, object] = json.loads(store.read(name))
        if isinstance(word["bad"], bool) and isinstance(word["why"], str):
            return word
    except (ValueError, KeyError, TypeError):
        pass
    raise LauncherError(f"{store.location}/{name} is no word on a host; say --ban or --unban {host} anew, or remove it")


def _name(host: str, number: int) -> str:
    return f"{HOSTS}/{host}/word-{number:08d}.json"
