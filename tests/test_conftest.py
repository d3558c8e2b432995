"""The rules of `tests/conftest.py`, each seen to bite, on a folder of its own with a copy of that file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CONFTEST = Path(__file__).with_name("conftest.py")
SKIPPED = "import pytest\n\n@pytest.mark.skip\ndef test_a(): pass\n\ndef test_b(): pass\n"
SKIPPED_FILE = "import pytest\n\npytest.skip('all', allow_module_level=True)\n"
XFAIL = "import pytest\n\n@pytest.mark.xfail(strict=True)\ndef test_a(): assert False\n"
TORCH_AT_TOP = "import torch_that_is_not_there\nimport torch\n"
TORCH_INSIDE = "import sys, types\n\ndef test_a(): sys.modules['torch'] = types.ModuleType('torch')\n"
MARKED = "import pytest\n\n@pytest.mark.slow\ndef test_a(): assert False\n\ndef test_b(): pass\n"


def run(folder: Path, test: str, *options: str, ci: bool = False) -> tuple[int, str]:
    shutil.copy(CONFTEST, folder)
    (folder / "test_it.py").write_text(test)
    (folder / "test_fine.py").write_text("def test_fine(): pass\n")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = slow\n  gpu\n  torch\n")
    env = {name: value for name, value in os.environ.items() if name != "CI"} | ({"CI": "true"} if ci else {})
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(folder)]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_a_skip_fails_under_ci_and_only_there(tmp_path: Path) -> None:
    assert run(tmp_path, SKIPPED)[0] == 0
    code, output = run(tmp_path, SKIPPED, ci=True)
    assert code == 1
    assert "test_it.py::test_a" in output


def test_a_skipped_file_fails_under_ci(tmp_path: Path) -> None:
    assert run(tmp_path, SKIPPED_FILE, ci=True)[0] == 1


def test_a_skip_fails_under_ci_with_workers(tmp_path: Path) -> None:
    assert run(tmp_path, SKIPPED, "-n", "2", ci=True)[0] == 1


def test_a_skipped_file_fails_under_ci_with_workers(tmp_path: Path) -> None:
    code, output = run(tmp_path, SKIPPED_FILE, "-n", "2", ci=True)
    assert code == 1
    assert "test_it.py" in output


def test_an_expected_failure_is_not_a_skip(tmp_path: Path) -> None:
    assert run(tmp_path, XFAIL, ci=True)[0] == 0


def test_fast_leaves_out_files_that_import_torch(tmp_path: Path) -> None:
    assert run(tmp_path, TORCH_AT_TOP, "--fast")[0] == 0
    assert run(tmp_path, TORCH_AT_TOP)[0] != 0


def test_fast_leaves_out_what_is_marked_slow(tmp_path: Path) -> None:
    assert run(tmp_path, MARKED, "--fast")[0] == 0
    assert run(tmp_path, MARKED)[0] == 1


def test_fast_fails_when_a_test_imports_torch_after_all(tmp_path: Path) -> None:
    assert run(tmp_path, TORCH_INSIDE, "--fast")[0] == 1
    assert run(tmp_path, TORCH_INSIDE)[0] == 0


def test_fast_fails_when_a_worker_imports_torch(tmp_path: Path) -> None:
    code, output = run(tmp_path, TORCH_INSIDE, "--fast", "-n", "2")
    assert code == 1
    assert "imported torch" in output
