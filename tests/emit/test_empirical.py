"""What hangs on a fitted law says so wherever a plan is read: tables, documents, the manifest, emitted code."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path

import pytest

from scalec.emit.table import FORMATS
from scalec.operands import Operands
from scalec.pipeline import PlanRequest, compile_files, plan
from scalec.plan.model import Plan
from tests.emit.compiling import files_of, import_files
from tests.planning import workspace

TEXT = """
law gain = sqrt(lr/wd)*fan_in^(3/4) fit cite arXiv:2510.15262 "a fit"
law guess = 1/sqrt(N) fit
rule mine extends mup {
  base N = 64, L = 2
  run { clip = 1;  clip *~ guess }
  tensor matrix { wd solves gain ~ 1 }
}
"""
REQUEST = PlanRequest(("N=256",))
OPERANDS = Operands("mine", "gpt", "adamw")
HIDDEN, OTHER = "block.mlp.up", "embed"


@cache
def made() -> Plan:
    return plan(workspace(TEXT), OPERANDS, REQUEST)


@cache
def files() -> dict[str, str]:
    return {file.name: file.text for file in compile_files(workspace(TEXT), OPERANDS, REQUEST)}


@pytest.mark.parametrize("form", ["text", "markdown", "latex"])
def test_tables_mark_it_and_name_the_law(form: str) -> None:
    lines = FORMATS[form](made()).splitlines()
    assert sum("(fit)" in line for line in lines) == 7  # wd and decay of three blocks of tensors, and the clip
    assert sum("empirical, not proved: law " in line for line in lines) == 2


def test_csv_has_the_laws() -> None:
    rows = list(csv.DictReader(FORMATS["csv"](made()).splitlines()))
    assert {(r["name"], r["fits"]) for r in rows if r["attribute"] == "wd"} >= {(HIDDEN, "gain"), (OTHER, "")}


def test_json_and_manifest_have_them() -> None:
    document = json.loads(FORMATS["json"](made()))
    assert json.loads(files()["manifest.json"])["plan"] == document
    tensors = {t["name"]: t["empirical"] for t in document["tensors"]}
    assert (tensors[HIDDEN], tensors[OTHER]) == ({"wd": ["gain"]}, {})
    assert document["run_empirical"] == {"clip": ["guess"]}
    assert document["subject"]["fitted"] == {
        "gain": 'law gain = sqrt(lr/wd)*fan_in^(3/4) fit cite arXiv:2510.15262 "a fit"',
        "guess": "law guess = 1/sqrt(N) fit",
    }


def test_emitted_code_has_the_solved_formula_and_says_what_it_is() -> None:
    lines = [line.strip() for line in files()["optim.py"].splitlines()]
    places = [i for i, line in enumerate(lines) if line == '"weight_decay": run.wd * math.sqrt(m_N),']
    assert places
    for i in places:
        assert lines[i - 2] == "# mine: tensor matrix { wd solves gain ~ 1 }"
        assert lines[i - 1] == "# empirical, a fit: gain = sqrt(lr/wd)*fan_in^(3/4)"
    assert "# empirical, a fit: guess = 1/sqrt(N)" in lines


def test_a_rule_without_fits_says_nothing_of_them() -> None:
    bare = plan(workspace("rule mine extends mup { base N = 64, L = 2 }"), OPERANDS, REQUEST)
    for form in FORMATS:
        assert "(fit)" not in FORMATS[form](bare)
        assert "not proved" not in FORMATS[form](bare)


RUN = """
law rate = 0.1*params.body^-0.25 fit
rule mine extends mup {
  base N = 64, L = 2
  run { lr = rate;  tokens = 2*params;  batch = 128*sqrt(N);  warmup = steps/10;  schedule = cosine }
}
"""


@pytest.mark.torch
def test_the_training_script_takes_the_run_from_the_rule(tmp_path: Path) -> None:
    made = plan(workspace(RUN), OPERANDS, REQUEST)
    emitted = import_files(made, tmp_path)
    text = files_of(made)["train.py"]
    assert "steps = args.steps or max(1, round(run.steps))" in text
    assert "batch = args.batch or max(1, round(run.batch / data.context))" in text
    for width in (64, 256):
        run = emitted.optim.Run(emitted.model.Config(N=width))
        body = 2 * (2 * width + 12 * width**2) + width  # gains and matrices of the blocks, the last gain
        whole = body + width * (256 + 128 + 256)
        expected = (0.1 * body**-0.25, 2.0 * whole, 128 * width**0.5)
        assert (run.lr, run.tokens, run.batch) == pytest.approx(expected)
        assert (run.steps, run.warmup) == pytest.approx((run.tokens / run.batch, run.tokens / run.batch / 10))


def test_without_a_rule_the_script_has_its_own_batch() -> None:
    bare = plan(workspace("rule mine extends mup { base N = 64, L = 2 }"), OPERANDS, REQUEST)
    assert "batch = args.batch or 16\n" in files_of(bare)["train.py"]


def test_sizes_of_the_run_reach_the_script() -> None:
    base = "base N = 64, L = 2, batch = 4096, tokens = 1e6"
    text = f"rule mine extends mup {{ {base}  tensor * {{ lr *~ sqrt(batch/tokens) }} }}"
    files = files_of(plan(workspace(text), OPERANDS, PlanRequest(("N=256,tokens=4e6",))))
    assert "batch = args.batch or max(1, round(config.batch / data.context))" in files["train.py"]
    assert "self.steps = config.tokens / config.batch" in files["optim.py"]
