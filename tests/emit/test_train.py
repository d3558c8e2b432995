"""The emitted script, run as users run it: in a process of its own, without scalec."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.emit.compiling import STAMP, import_files, plan_of

pytestmark = pytest.mark.torch
WITHOUT_SCALEC = """
import runpy, sys
sys.modules["scalec"] = None
sys.path.insert(0, sys.argv[1])
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_SCALEC, str(folder), str(folder / "train.py"), "--threads", "1", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


def test_train_on_text(tmp_path: Path) -> None:
    import_files(plan_of("tiny_gpt", {"N": 16}), tmp_path)
    (tmp_path / "text.txt").write_text("to be or not to be, that is the question. " * 40)
    words = ["--data", "text.txt", "--steps", "30", "--batch", "8", "--lr", "0.02", "--eval-sequences", "10"]
    runs = [run(tmp_path, *words, "--log", "jsonl", "--out", "out") for _ in range(2)]
    assert runs[0].returncode == 0, runs[0].stderr
    assert runs[0].stdout == runs[1].stdout
    *steps, last = map(json.loads, runs[0].stdout.splitlines())
    assert [line["step"] for line in steps] == [10, 20, 30]
    assert last["steps"] == 30
    assert last["val_loss"] < steps[0]["loss"] < 6
    checkpoint = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)
    assert checkpoint["plan_hash"] == STAMP.inputs_hash
    assert checkpoint["config"] == {"N": 16, "L": 2, "H": 2, "F": 64, "V": 256, "T": 12}
    assert "blocks.1.mlp.up.weight" in checkpoint["model"]
    assert checkpoint["optimizer"]["param_groups"][0]["rule_lr"] == 0.02


def test_train_on_vectors(tmp_path: Path) -> None:
    import_files(plan_of("tiny_mlp", {"N": 16}, optimizer="sgd"), tmp_path)
    x = torch.randn(200, 6, generator=torch.Generator().manual_seed(0))
    torch.save({"x": x, "y": x[:, :4].argmax(dim=1)}, tmp_path / "data.pt")
    done = run(tmp_path, "--data", "data.pt", "--steps", "60", "--lr", "0.1")
    assert done.returncode == 0, done.stderr
    assert "val_loss" in done.stdout.splitlines()[-1]


def test_a_text_beyond_the_vocabulary_is_said(tmp_path: Path) -> None:
    import_files(plan_of("parallel", {"N": 16}), tmp_path)
    (tmp_path / "text.txt").write_text("bytes of letters are beyond 32")
    done = run(tmp_path, "--data", "text.txt")
    assert done.returncode == 1
    assert done.stderr == "text.txt: bytes go beyond a vocabulary of 32\n"
