"""What a command imports when it runs: no more than it needs. Each runs in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.sources import ROOT

pytestmark = pytest.mark.slow

EXAMPLE = f"{ROOT / 'examples' / 'gpt.scale'}:gpt_mup"

# What costs tens of milliseconds or more to import; nobody pays for it unasked. (pydantic is not in the list:
# typer imports it to read options.)
HEAVY = {"torch", "sympy", "lark", "rich", "typer", "numpy", "matplotlib"}

# Runs a module as `python -m` would and ends by naming what got imported.
PROBE = """
import atexit, runpy, sys
atexit.register(lambda: print("imported:", *sorted(sys.modules), file=sys.stderr))
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""

COMMANDS: dict[tuple[str, ...], set[str]] = {
    ("--help",): {"typer"},
    ("--version",): {"typer"},
    ("plan", "--help"): {"typer"},
    ("explain", "SC201"): {"typer"},
    ("check", EXAMPLE.removesuffix(":gpt_mup")): {"typer", "lark"},
    ("plan", EXAMPLE, "--at", "N=128"): {"typer", "lark"},
    ("plan", EXAMPLE, "--at", "N=128", "--format", "json"): {"typer", "lark"},
    ("compile", EXAMPLE, "--at", "N=128", "-o", "out"): {"typer", "lark"},
}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_imports_what_it_needs(command: tuple[str, ...], tmp_path: Path) -> None:
    assert heavy(imported("scalec", *command, folder=tmp_path)) == COMMANDS[command]


def test_help_reads_no_room_of_the_package(tmp_path: Path) -> None:
    found = {name for name in imported("scalec", "--help", folder=tmp_path) if name.startswith("scalec")}
    assert found == {"scalec", "scalec.cli", "scalec.terminal"}


def test_a_heavy_import_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "careless.py").write_text("import json\ndef run():\n    import sympy\nrun()\n")
    assert "sympy" in heavy(imported("careless", folder=tmp_path))


def imported(module: str, *arguments: str, folder: Path) -> set[str]:
    """Names of all modules that `python -m MODULE ARGUMENTS` imported; it has to succeed."""
    command = [sys.executable, "-c", PROBE, module, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return set(done.stderr.rpartition("imported:")[2].split())


def heavy(names: set[str]) -> set[str]:
    return names & HEAVY
