"""The driver of the demo against a stand-in for the emitted `train.py`: words, isolation, failures."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.sweep import Settings, TrialFailedError, run_trials, sweep
from examples.transfer import Trial

TRIAL = Trial("mu", 64, -8, seed=3)
ECHO = """
import json, sys
arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
print(json.dumps({"step": 1, "loss": 5.0}))
print("a line that is not ours")
print(json.dumps({"steps": 2, "val_loss": float(arguments["--lr"]) + float(arguments["--seed"])}))
"""
IMPORTS_SCALEC = "import scalec\n" + ECHO
IMPORTS_NEIGHBOUR = "import model\n" + ECHO
FAILS = "import sys\nsys.exit('no such optimizer')\n"
SILENT = "pass\n"


def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "text", tmp_path / "out", 2, 16, 64, threads=1, workers=2)


def emitted(tmp_path: Path, script: str) -> Path:
    (tmp_path / "train.py").write_text(script)
    (tmp_path / "model.py").touch()
    return tmp_path


def test_the_validation_loss_comes_back(tmp_path: Path) -> None:
    heard: list[tuple[Trial, int, float]] = []
    other = Trial("mu", 64, -9, seed=4)
    losses = run_trials([TRIAL, other], emitted(tmp_path, ECHO), settings(tmp_path), lambda *x: heard.append(x))
    assert losses == [2**-8 + 3, 2**-9 + 4]
    assert heard == [(TRIAL, 1, 5.0), (other, 1, 5.0)]


def test_emitted_files_import_one_another_and_not_scalec(tmp_path: Path) -> None:
    run_trials([TRIAL], emitted(tmp_path, IMPORTS_NEIGHBOUR), settings(tmp_path), lambda *x: None)
    with pytest.raises(TrialFailedError, match=r"(?s)mu 64.*import of scalec halted"):
        run_trials([TRIAL], emitted(tmp_path, IMPORTS_SCALEC), settings(tmp_path), lambda *x: None)


def test_a_failed_run_is_an_error_with_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(TrialFailedError, match="no such optimizer"):
        run_trials([TRIAL], emitted(tmp_path, FAILS), settings(tmp_path), lambda *x: None)


def test_a_run_without_an_answer_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrialFailedError):
        run_trials([TRIAL], emitted(tmp_path, SILENT), settings(tmp_path), lambda *x: None)


def test_all_trials_run(tmp_path: Path) -> None:
    trials = [Trial("mu", 64, -8, seed) for seed in range(6)]
    losses = sweep(trials, {("mu", 64): emitted(tmp_path, ECHO)}, settings(tmp_path))
    assert losses == {trial: 2**-8 + trial.seed for trial in trials}


def test_one_failure_ends_the_sweep(tmp_path: Path) -> None:
    with pytest.raises(TrialFailedError):
        sweep([TRIAL], {("mu", 64): emitted(tmp_path, FAILS)}, settings(tmp_path))
