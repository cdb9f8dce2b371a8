"""Uploads to S3 that were begun and will not be finished: their parts cost money, and are not listed as objects."""

from typing import Any

from fsspec.asyn import sync

from launcher.storage.retry import Retry, http_status
from launcher.storage.s3 import GONE, S3Object
from launcher.storage.store import Store


def unfinished(store: Store, folder: str, retry: Retry) -> dict[str, list[str]]:
    """Ids of the uploads below a folder, by the name of their object; none in a store that is not S3."""
    found: dict[str, list[str]] = {}
    if not store.is_s3:
        return found
    fs = store.fs
    bucket, prefix, _ = fs.split_path(f"{store.root}/{folder}/")
    root = prefix.removesuffix(f"{folder}/")
    wanted = {"Bucket": bucket, "Prefix": prefix}

    def ask(timeout: float) -> dict[str, Any]:
        answer: dict[str, Any] = sync(fs.loop, fs._call_s3, "list_multipart_uploads", timeout=timeout, **wanted)
        return answer

    while True:
        page = retry.call(f"{store.location}/{folder}", ask)
        for each in page.get("Uploads", []):
            found.setdefault(each["Key"].removeprefix(root), []).append(each["UploadId"])
        if not page.get("IsTruncated"):
            return found
        wanted |= {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}


def abort(store: Store, name: str, upload: str, retry: Retry) -> None:
    """Remove the parts of an upload; nothing where they are gone."""
    try:
        S3Object(store, name, retry).call("abort_multipart_upload", UploadId=upload)
    except OSError as error:
        if http_status(error) != GONE:
            raise
