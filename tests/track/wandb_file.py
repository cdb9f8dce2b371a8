"""Reads what the W&B client wrote: LevelDB's log format, each record a protobuf message of the client's own."""

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

BLOCK = 32768
HEADER = struct.Struct("<IHB")
FIRST, LAST = (1, 2), (1, 4)


def records(path: Path) -> Iterator[Record]:
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    position, whole = 7, b""
    while position + HEADER.size <= len(data):
        room = BLOCK - position % BLOCK
        if room < HEADER.size:
            position += room
            continue
        checksum, length, kind = HEADER.unpack_from(data, position)
        part = data[position + HEADER.size : position + HEADER.size + length]
        assert zlib.crc32(bytes([kind]) + part) == checksum
        whole = part if kind in FIRST else whole + part
        if kind in LAST:
            yield Record.FromString(whole)
        position += HEADER.size + length


def told(path: Path) -> dict[str, Any]:
    """Id, name, configuration, history and exit code of a run; history is a list of (step, values)."""
    run: dict[str, Any] = {"history": []}
    for record in records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            config = {item.key: json.loads(item.value_json) for item in record.run.config.update}
            run |= {"id": record.run.run_id, "name": record.run.display_name, "project": record.run.project}
            run |= {"config": config, "tags": list(record.run.tags)}
        elif kind == "history":
            values = {"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.history.item}
            step = int(values.pop("_step", record.history.step.num))
            run["history"].append((step, {key: value for key, value in values.items() if not key.startswith("_")}))
        elif kind == "exit":
            run["exit_code"] = record.exit.exit_code
    return run
