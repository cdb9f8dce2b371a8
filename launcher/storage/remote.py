"""Create-only writes to object stores through fsspec."""

from fsspec import AbstractFileSystem

PRECONDITION_FAILED = {"PreconditionFailed", "412"}
CONFLICT = {"ConditionalRequestConflict", "409"}
TRIES = 5


def create(fs: AbstractFileSystem, path: str, data: bytes) -> None:
    """Write a new object; of several writers that try, one succeeds.

    S3 answers 409 to a conditional write that met another one under way, and asks to try again:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html

    Raises:
        FileExistsError: the object is already there. The bytes may be ours, where an answer was lost on its way and
            the client asked again: whoever needs to know reads them back.
    """
    for remaining in reversed(range(TRIES)):
        try:
            fs.pipe_file(path, data, mode="create")
            return
        except OSError as error:
            code = _s3_code(error)
            # s3fs knows only AWS's wording of a failed condition
            if code in PRECONDITION_FAILED and not isinstance(error, FileExistsError):
                raise FileExistsError(path) from error
            if code not in CONFLICT or not remaining:
                raise


def _s3_code(error: OSError) -> str | None:
    response = getattr(error.__cause__, "response", None) or {}
    code: str | None = response.get("Error", {}).get("Code")
    return code
