"""A profile of a Ray cluster that is there already."""

from typing import Annotated, Literal

from pydantic import Field

from launcher.cluster.common import Line, ManyNodes


class Ray(ManyNodes):
    """A Ray job of a cluster that runs Ray 2.60 and has a dashboard."""

    backend: Literal["ray"]
    address: Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.\[\]:_/-]+$")] | None = None
    """Of the dashboard, such as `http://head:8265`; null is what RAY_API_SERVER_ADDRESS says. A token is taken from
    where Ray takes it: RAY_AUTH_MODE=token with RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH."""
    working_dir: Line | None = None
    """A folder of this machine that the driver and every worker get a copy of, such as a checkout of the launcher;
    null uses what the machines have installed."""
    excludes: list[Line] = []
    """What to leave out of it besides .git, environments, caches, runs and what .gitignore names; as in .gitignore."""
    python: Line = "python"
    """On the head; has the launcher's packages."""
