"""Three emitted files and a table, kept as they are read. `UPDATE_GOLDEN=1 pytest tests/emit` writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scalec.emit.table import FORMATS
from tests.emit.compiling import files_of, plan_of

GOLDEN = Path(__file__).parents[1] / "golden"


def assert_golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text("utf-8")


@pytest.mark.parametrize(
    ("network", "rule", "file"),
    [
        ("tiny_gpt", "mine", "model.py"),
        ("tiny_gpt", "mine", "optim.py"),
        ("tiny_mlp", "loud_mlp", "model.py"),
    ],
)
def test_emitted_file(network: str, rule: str, file: str) -> None:
    files = files_of(plan_of(network, {"N": 32}, rule=rule))
    assert_golden(f"{network}_{file}.txt", files[file])


def test_plan_table() -> None:
    assert_golden("tiny_gpt_plan.txt", FORMATS["text"](plan_of("tiny_gpt", {"N": 32}, {"N": 64, "L": 4})))


def test_the_comparison_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UPDATE_GOLDEN", raising=False)
    with pytest.raises(AssertionError):
        assert_golden("tiny_gpt_plan.txt", "another plan")


def test_goldens_stay_small() -> None:
    assert sum(path.stat().st_size for path in GOLDEN.glob("tiny_*")) < 30_000
