"""Files to S3, in parts that are sent at once, each with its checksum.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html and, for checksums,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

import base64
import zlib
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from fsspec.asyn import sync

from launcher.storage.content import Content
from launcher.storage.retry import Damaged, Retry, StoreFailed, http_status
from launcher.storage.store import Store

PART = 16 << 20
"""Bytes of a part."""
WHOLE = 32 << 20
"""Bytes of the largest file that is sent in one request."""
MOST_PARTS = 10_000
GONE = 404
CHECKSUM = "ChecksumCRC32"

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class S3Object:
    """One object of a store on S3, whose client tries once."""

    store: Store
    name: str
    retry: Retry

    def send(self, content: Content, parts: Executor) -> bool:
        """Store it, over what is there.

        Returns:
            Whether the store told a checksum of what arrived. It was right.

        Raises:
            Damaged: size or checksum of what arrived are wrong.
            StoreFailed: the store failed until the deadline.
        """
        checksum = self._send_whole(content) if content.size <= WHOLE else self.send_parts(content, parts)
        told = self.call("head_object", ChecksumMode="ENABLED")
        if told["ContentLength"] != content.size:
            raise Damaged(f"{self._place}: {told['ContentLength']:,} of {content.size:,} bytes arrived")
        # A checksum of checksums has the number of parts behind it, which not every store tells
        if CHECKSUM in told and told[CHECKSUM].partition("-")[0] != checksum:
            raise Damaged(f"{self._place}: the checksum of what arrived is {told[CHECKSUM]}, and not {checksum}")
        return CHECKSUM in told

    def call(self, method: str, **arguments: Any) -> Answer:
        """What the store answers, tried again while that may help."""
        fs = self.store.fs
        bucket, key, _ = fs.split_path(f"{self.store.root}/{self.name}")
        wanted = {"Bucket": bucket, "Key": key} | arguments

        def attempt(timeout: float) -> Answer:
            answer: Answer = sync(fs.loop, fs._call_s3, method, timeout=timeout, **wanted)
            return answer

        return self.retry.call(self._place, attempt)

    @property
    def _place(self) -> str:
        return f"{self.store.location}/{self.name}"

    def _send_whole(self, content: Content) -> str:
        data = content.read(0, content.size)
        checksum = _text(_crc32(data))
        self.call("put_object", Body=data, ChecksumAlgorithm="CRC32", **{CHECKSUM: checksum})
        return checksum

    def send_parts(self, content: Content, parts: Executor) -> str:
        """Store it in parts, whose checksums the store compares as they arrive; returns the checksum of checksums."""
        upload = self.call("create_multipart_upload", ChecksumAlgorithm="CRC32")["UploadId"]
        size = max(PART, -(-content.size // MOST_PARTS))

        def send(number: int) -> tuple[Answer, bytes]:
            data = content.read((number - 1) * size, size)
            crc = _crc32(data)
            checksum = {CHECKSUM: _text(crc)}
            answer = self.call("upload_part", UploadId=upload, PartNumber=number, Body=data, **checksum)
            return {"PartNumber": number, "ETag": answer["ETag"], **checksum}, crc

        futures = [parts.submit(send, number) for number in range(1, -(-content.size // size) + 1)]
        try:
            sent = [future.result() for future in futures]
            self._complete(upload, [answer for answer, _ in sent])
        except BaseException:
            for future in futures:
                future.cancel()
            self._abort(upload)
            raise
        return _text(_crc32(b"".join(crc for _, crc in sent)))

    def _complete(self, upload: str, parts: list[Answer]) -> None:
        try:
            self.call("complete_multipart_upload", UploadId=upload, MultipartUpload={"Parts": parts})
        except OSError as error:
            # Completed by an earlier try whose answer was lost: size and checksum, asked for next, tell
            if http_status(error) != GONE:
                raise

    def _abort(self, upload: str) -> None:
        """One try: what is left is collected later, and what went wrong first is told."""
        try:
            S3Object(self.store, self.name, Retry(deadline=0)).call("abort_multipart_upload", UploadId=upload)
        except (StoreFailed, OSError):
            return


def _crc32(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "big")


def _text(crc: bytes) -> str:
    return base64.b64encode(crc).decode()
