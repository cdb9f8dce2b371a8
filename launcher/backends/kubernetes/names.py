"""What a run is called in a Kubernetes cluster: a pure function of its id, so that the id alone finds it again."""

import hashlib
import re

RUN = "llama-launcher/run"
"""Label of a run's jobs and pods."""
ROLE = "llama-launcher/role"
"""Label of a pod: head or worker."""
RUN_ID = "llama-launcher/run-id"
"""Annotation: the id as the user knows it."""
NUMBER = "llama-launcher/submission"
"""Annotation: which of the run's jobs this is, from 1."""
NONCE = "llama-launcher/nonce"
"""Annotation: tells one submission's job from any other's."""
LONGEST = 40
"""With a dash and six digits it is at most 47, which KubeRay asks for (`MaxRayJobNameLength` in utils/constant.go)."""


def run_name(run_id: str) -> str:
    """The run's id where Kubernetes takes it, else as much of it as fits and eight digits of its hash.

    A DNS-1035 label: small letters, digits and dashes, beginning with a letter.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", run_id.lower()).strip("-")
    named = plain if plain[:1].isalpha() else f"r-{plain}"
    if named == run_id and len(named) <= LONGEST:
        return named
    digest = hashlib.sha256(run_id.encode()).hexdigest()[:8]
    return f"{named[: LONGEST - 9].rstrip('-')}-{digest}"


def job_name(run_id: str, number: int) -> str:
    """Of a run's job, from 1."""
    return f"{run_name(run_id)}-{number}"
