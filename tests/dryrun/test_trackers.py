"""What a dry run finds of trackers, without telling them anything."""

from pathlib import Path

import pytest

from launcher.cluster.local import Local
from launcher.cluster.slurm import Slurm
from launcher.dryrun.trackers import tracker_line
from launcher.recipe.tracking import Tracking

HERE = Local(backend="local")
ONLINE = Tracking.model_validate({"report_to": ["wandb", "tensorboard"]})


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of someone who never logged in."""
    for name in ("WANDB_API_KEY", "WANDB_BASE_URL", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_none_are_asked_for() -> None:
    assert tracker_line(Tracking(), HERE) == "none asked for"


def test_wandb_without_credentials_is_told_with_its_mend(nobody: Path) -> None:
    assert "no credentials, so runs are kept offline: say `wandb login`" in tracker_line(ONLINE, HERE)


def test_a_key_in_the_environment_is_found_and_not_shown(nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "s3cr3t")
    assert tracker_line(ONLINE, HERE) == "wandb, tensorboard; W&B: credentials found; nothing is told them here"


def test_a_login_is_found(nobody: Path) -> None:
    (nobody / ".netrc").write_text("machine api.wandb.ai login user password s3cr3t\n")
    (nobody / ".netrc").chmod(0o600)
    assert "credentials found" in tracker_line(ONLINE, HERE)


@pytest.mark.parametrize(("secrets", "told"), [([], "is not among"), (["WANDB_API_KEY"], "is among")])
def test_on_other_machines_the_profile_has_to_name_the_key(secrets: list[str], told: str, nobody: Path) -> None:
    profile = Slurm.model_validate({"backend": "slurm", "time": "10", "secrets": secrets})
    assert f"WANDB_API_KEY {told} cluster.secrets" in tracker_line(ONLINE, profile)


def test_offline_needs_no_credentials(nobody: Path) -> None:
    offline = Tracking.model_validate({"report_to": ["wandb"], "wandb": {"mode": "offline"}})
    assert "credentials" not in tracker_line(offline, HERE)
