"""What is installed works away from the checkout it was built in."""

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

import launcher

CHECKOUT = Path(launcher.__file__).parents[1]
SOURCES = ("launcher", "recipes", "cluster", "slurm", "pyproject.toml", "README.md", "LICENSE")


def call(*words: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, as building leaves files behind."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "copy"
    copy.mkdir()
    for name in SOURCES:
        if (CHECKOUT / name).is_dir():
            shutil.copytree(CHECKOUT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(CHECKOUT / name, copy)
    call("-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(copy), cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_what_users_read_and_no_tests(wheel: Path) -> None:
    names = set(ZipFile(wheel).namelist())
    assert "launcher/py.typed" in names
    for folder in ("recipes", "cluster", "slurm"):
        shipped = {path.relative_to(CHECKOUT) for path in (CHECKOUT / folder).rglob("*") if path.is_file()}
        assert shipped
        assert {f"launcher/_shipped/{path}" for path in shipped} <= names
    assert [name for name in names if "test" in name] == []


def test_the_installed_launcher_finds_its_recipes_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    target, elsewhere = tmp_path / "target", tmp_path / "elsewhere"
    elsewhere.mkdir()
    call(
        "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target), str(wheel), cwd=tmp_path
    )

    def installed(*words: str) -> str:
        return call("-P", *words, cwd=elsewhere, PYTHONPATH=str(target))

    assert installed("-c", "import launcher; print(launcher.__file__)").strip() == f"{target}/launcher/__init__.py"
    assert "demo/headlines" in installed("-m", "launcher", "recipes")
    assert installed("-m", "launcher", "validate", "demo/headlines").startswith("demo-headlines: valid, digest ")
