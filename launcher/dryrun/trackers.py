"""Whether the trackers of a recipe could be told; a dry run tells them nothing."""

import netrc
import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlparse

from launcher.cluster.profile import Local, Profile
from launcher.recipe.tracking import Tracking
from launcher.track.available import check_trackers

KEY = "WANDB_API_KEY"
HOSTED = "https://api.wandb.ai"


def tracker_line(tracking: Tracking, profile: Profile) -> str:
    """What was found of the trackers that are asked for.

    Raises:
        InvalidInput: one of them is not installed.
    """
    if not tracking.report_to:
        return "none asked for"
    check_trackers(tracking)
    told = ", ".join(tracking.report_to)
    if "wandb" in tracking.report_to and tracking.wandb.mode == "online":
        told += f"; W&B: {_credentials(profile)}"
    return f"{told}; nothing is told them here"


def _credentials(profile: Profile) -> str:
    if not isinstance(profile, Local):
        if KEY in profile.secrets:
            return f"{KEY} is among cluster.secrets"
        return f"{KEY} is not among cluster.secrets; without it runs are kept offline"
    if KEY in os.environ or _in_netrc():
        return "credentials found"
    return f"no credentials, so runs are kept offline: say `wandb login`, or set {KEY}"


def _in_netrc() -> bool:
    """Where `wandb login` puts a key."""
    host = urlparse(os.environ.get("WANDB_BASE_URL", HOSTED)).hostname
    with suppress(OSError, netrc.NetrcParseError):
        return host is not None and netrc.netrc(str(_netrc_file())).authenticators(host) is not None
    return False


def _netrc_file() -> Path:
    return Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
