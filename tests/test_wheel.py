"""The built wheel does the job by itself: installed apart, run with the checkout's package out of the way."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import scalec
from tests.sources import ROOT

pytestmark = pytest.mark.slow

PLAN = ["plan", "example.scale:gpt_mup", "--at", "N=128"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _run(
        [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), str(ROOT)],
        folder,
    )
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's files and a rule file beside them, far from the checkout."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    _run([*pip, str(folder), str(wheel)], folder)
    (folder / "example.scale").write_text((ROOT / "examples" / "gpt.scale").read_text("utf-8"))
    return folder


def test_the_packs_and_the_grammar_travel_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    packs = {f"scalec/_data/rules/std/{file.name}" for file in (ROOT / "rules" / "std").glob("*.scale")}
    assert packs
    assert packs | {"scalec/_data/grammars/scalec.lark", "scalec/py.typed"} <= names


def test_the_wheel_carries_nothing_else(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"scalec", f"scalec-{scalec.__version__}.dist-info"}


def test_the_installed_package_is_the_one_that_runs(installed: Path) -> None:
    assert _python(installed, "-c", "import scalec; print(scalec.__file__)").startswith(str(installed))


def test_the_installed_command_answers(installed: Path) -> None:
    assert scalec.__version__ in _python(installed, "-m", "scalec", "--version")


def test_the_installed_command_plans(installed: Path) -> None:
    """The same table as the checkout's own, from packs that the wheel brought."""
    outside = _python(installed, "-m", "scalec", *PLAN)
    assert "readout" in outside
    assert outside == _run([sys.executable, "-m", "scalec", *PLAN], installed, PYTHONPATH=str(ROOT))


def _python(folder: Path, *arguments: str) -> str:
    """Run Python with `folder` first on its path: a package found there is never the checkout's."""
    return _run([sys.executable, *arguments], folder, PYTHONPATH=str(folder), PYTHONSAFEPATH="1")


def _run(command: list[str], folder: Path, **env: str) -> str:
    done = subprocess.run(command, cwd=folder, env=os.environ | env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
