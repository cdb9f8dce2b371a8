"""What happened, one strict JSON object a line, in immutable segments."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from launcher.storage.store import Store

SEGMENT_NAME = re.compile(r"events/(\d+)-(\d+)-(\d+)\.jsonl")


class EventLog:
    """Events of one rank in one attempt, kept in memory until they are flushed; for one thread."""

    def __init__(self, store: Store, attempt: int, rank: int) -> None:
        self._store = store
        self._origin = {"attempt": attempt, "rank": rank}
        self._segment = 0
        self._lines: list[str] = []

    def emit(self, kind: str, /, **fields: Any) -> None:
        """Note an event; fields are anything JSON knows, and floats that are not finite become "nan", "inf", "-inf".

        Raises:
            TypeError: a field that JSON does not know.
        """
        stamp = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **self._origin, "kind": kind}
        assert not stamp.keys() & fields.keys(), f"reserved: {stamp.keys() & fields.keys()}"
        self._lines.append(json.dumps(_finite(stamp | fields), allow_nan=False))

    def flush(self) -> None:
        """Write what was noted since the last flush as the next segment; nothing where nothing was.

        Raises:
            AlreadyExists: another log of this attempt and rank wrote the segment.
        """
        if not self._lines:
            return
        name = f"events/{self._origin['attempt']:06d}-{self._origin['rank']:05d}-{self._segment:06d}.jsonl"
        data = "".join(f"{line}\n" for line in self._lines).encode()
        self._store.ensure(name, data)
        self._segment += 1
        self._lines.clear()


def read_events(store: Store) -> Iterator[dict[str, Any]]:
    """All flushed events by attempt, then rank, then as they were emitted."""
    matches = [SEGMENT_NAME.fullmatch(name) for name in store.list("events")]
    for match in sorted(
        (match for match in matches if match), key=lambda match: [int(part) for part in match.groups()]
    ):
        for line in store.read(match[0]).splitlines():
            yield json.loads(line)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(float(value))
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
