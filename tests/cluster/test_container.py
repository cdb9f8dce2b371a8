"""The container file beside the profiles: what it copies is there, what it installs is pinned, and who runs in it."""

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from launcher.cluster.kubernetes import Kubernetes

ROOT = Path(__file__).parents[2]
FILE = ROOT / "cluster" / "Containerfile"
STAYS = [
    ".git/config",
    ".venv/pyvenv.cfg",
    "runs/r/journal",
    "tests/conftest.py",
    "token",
    "launcher/__pycache__/x.pyc",
]


def instructions() -> list[list[str]]:
    """Words of each instruction."""
    text = re.sub(r"^#.*\n", "", FILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line.strip()]


def copied() -> list[str]:
    """What is copied from the checkout."""
    copies = [words[1:-1] for words in instructions() if words[0] == "COPY"]
    return [name for names in copies if not names[0].startswith("--from") for name in names]


def left_out(path: str) -> bool:
    """By the ignore file, whose last line that fits decides."""
    out = False
    for line in FILE.with_name(f"{FILE.name}.dockerignore").read_text().splitlines():
        pattern = line.lstrip("!")
        if pattern and not line.startswith("#") and any(_fits(above, pattern) for above in _with_above(path)):
            out = not line.startswith("!")
    return out


def _with_above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]


def _fits(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch(path.rpartition("/")[2], pattern.removeprefix("**/"))
    return path.count("/") == pattern.count("/") and fnmatch(path, pattern)


def test_what_is_copied_is_in_the_checkout_and_not_left_out():
    assert copied()
    for name in copied():
        found = ROOT / name
        files = [found] if found.is_file() else [each for each in found.rglob("*") if each.is_file()]
        assert any(not left_out(each.relative_to(ROOT).as_posix()) for each in files), name


def test_every_shipped_profile_goes_into_the_image():
    assert not [path.name for path in (ROOT / "cluster").glob("*.yaml") if left_out(f"cluster/{path.name}")]


@pytest.mark.parametrize("path", STAYS)
def test_environments_runs_and_whatever_else_lies_about_stay_out(path):
    assert left_out(path)


def test_processes_are_nobodys_root_and_the_user_that_pods_ask_for():
    (user,) = [words[1] for words in instructions() if words[0] == "USER"]
    profile = Kubernetes(backend="kubernetes", image="it")
    assert user == f"{profile.run_as_user}:{profile.run_as_group}"


def test_what_the_image_installs_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {
        canonicalize_name(line.split("==")[0])
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    installs = [" ".join(words) for words in instructions() if "pip" in words]
    assert installs
    assert all("--constraint constraints.txt" in words for words in installs)
    (extras,) = re.findall(r"'\.\[(.+)\]'", " ".join(installs))
    wanted = [*project["dependencies"]]
    wanted += [one for extra in extras.split(",") for one in project["optional-dependencies"][extra]]
    assert {canonicalize_name(Requirement(one).name) for one in wanted} <= pinned
