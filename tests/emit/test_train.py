"""The emitted script: as users run it, in a process without scalec; its parts in this one."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.emit.compiling import STAMP, Emitted, import_files, plan_of

pytestmark = pytest.mark.torch
WITHOUT_SCALEC = """
import runpy, sys
sys.modules["scalec"] = None
sys.path.insert(0, sys.argv[1])
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_train_on_text(tmp_path: Path) -> None:
    import_files(plan_of("tiny_gpt", {"N": 16}), tmp_path)
    (tmp_path / "text.txt").write_text("to be or not to be, that is the question. " * 40)
    command = [sys.executable, "-c", WITHOUT_SCALEC, str(tmp_path), str(tmp_path / "train.py")]
    words = "--data text.txt --steps 30 --batch 8 --lr 0.02 --eval-sequences 10 --threads 1 --log jsonl --out out"
    done = subprocess.run([*command, *words.split()], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    *steps, last = map(json.loads, done.stdout.splitlines())
    assert [line["step"] for line in steps] == [10, 20, 30]
    assert last["steps"] == 30
    assert last["val_loss"] < steps[0]["loss"] < 6
    checkpoint = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)
    assert checkpoint["plan_hash"] == STAMP.inputs_hash
    assert checkpoint["config"] == {"N": 16, "L": 2, "H": 2, "F": 64, "V": 256, "T": 12}
    assert "blocks.1.mlp.up.weight" in checkpoint["model"]
    assert checkpoint["optimizer"]["param_groups"][0]["rule_lr"] == 0.02


def run(e: Emitted, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    monkeypatch.chdir(e.folder)
    monkeypatch.setattr(sys, "argv", ["train.py", *words.split()])
    e.train.main()


@pytest.fixture
def mlp(tmp_path: Path) -> Emitted:
    """With vectors of the four classes that the first four coordinates tell."""
    x = torch.randn(200, 6, generator=torch.Generator().manual_seed(0))
    torch.save({"x": x, "y": x[:, :4].argmax(dim=1)}, tmp_path / "data.pt")
    return import_files(plan_of("tiny_mlp", {"N": 16}, optimizer="sgd"), tmp_path)


def test_train_on_vectors(mlp: Emitted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(mlp, monkeypatch, "--data data.pt --steps 60 --lr 0.1 --seed 1")
    first = capsys.readouterr().out
    assert first.splitlines()[0].startswith("step 10  loss ")
    assert first.splitlines()[-1].startswith("steps 60  val_loss ")
    assert float(first.split()[-1]) < 1.3 < math.log(4)
    run(mlp, monkeypatch, "--data data.pt --steps 60 --lr 0.1 --seed 1")
    assert capsys.readouterr().out == first
    run(mlp, monkeypatch, "--data data.pt --steps 60 --lr 0.1 --seed 2")
    assert capsys.readouterr().out != first


def test_the_rule_s_clip_and_rate_are_used(mlp: Emitted, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []
    peaks: list[float] = []
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda parameters, limit: limits.append(limit))
    build = mlp.train.build_optimizer

    def watched(*args: object, **options: object) -> object:
        optimizer = build(*args, **options)
        peaks.extend(group["rule_lr"] for group in optimizer.param_groups)
        return optimizer

    monkeypatch.setattr(mlp.train, "build_optimizer", watched)
    run(mlp, monkeypatch, "--data data.pt --steps 3")
    assert limits == [1.0] * 3
    assert set(peaks) == {2**-8}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bytes of letters are beyond 32", "text.txt: bytes go beyond a vocabulary of 32"),
        ("\n" * 60, "text.txt: too short for sequences of 128"),
    ],
)
def test_texts_that_do_not_fit(text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    e = import_files(plan_of("parallel", {"N": 16}), tmp_path)
    (tmp_path / "text.txt").write_text(text)
    with pytest.raises(SystemExit, match=said):
        run(e, monkeypatch, "--data text.txt")
