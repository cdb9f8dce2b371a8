"""A block of a prepared data set: the documents of one Arrow record batch."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

SCHEMA = pa.schema({"input_ids": pa.large_list(pa.int32()), "labels": pa.large_list(pa.int32())})


@dataclass(frozen=True, slots=True)
class BlockData:
    """Document `i` is `input_ids[starts[i]:starts[i + 1]]`; its labels are found by `label_starts` likewise.

    Labels are one number a token for language modelling, one a document for classification.
    """

    starts: npt.NDArray[np.int64]
    input_ids: npt.NDArray[np.int32]
    label_starts: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int32]


def decode_block(message: bytes, schema: pa.Schema = SCHEMA) -> BlockData:
    """The documents of an encapsulated record-batch message; their numbers stay where they are, in `message`.

    Raises:
        ValueError: this is no such message.
    """
    try:
        batch = pa.ipc.read_record_batch(pa.py_buffer(message), schema)
        batch.validate()
    except (pa.ArrowException, EOFError, OSError) as error:
        raise ValueError(f"no record batch of documents ({error})") from error
    return BlockData(*_lists(batch.column("input_ids")), *_lists(batch.column("labels")))


def _lists(column: pa.LargeListArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    return column.offsets.to_numpy(), column.values.to_numpy()
