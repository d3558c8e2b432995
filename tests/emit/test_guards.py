"""Conditions in emitted code: its configuration refuses sizes at which the rule is another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from scalec.operands import Operands
from scalec.pipeline import PlanRequest, plan
from scalec.plan.model import Plan
from scalec.resolve.load import load_text
from tests.emit.compiling import files_of, import_files
from tests.emit.test_texts import assert_lints, write
from tests.emit.texts import EVERYTHING

RULE = """
rule guarded extends mine {
  where fan_out > fan_in or fan_in = 1 { tensor mlp { lr *= 2 } }
  under depth { site residual { scale ~ 1/depth } }
  require N/F = base.N/base.F and (N > L or not L != 2) and schedule = cosine
  valid N <= 32
}
"""


def planned(at: str) -> Plan:
    request = PlanRequest((at,))
    return plan(load_text(EVERYTHING + RULE, "test.scale"), Operands("guarded", "tiny_gpt", "adamw"), request)


@pytest.mark.slow
def test_the_conditions_are_in_the_configuration() -> None:
    text = files_of(planned("L=4"))["model.py"]
    assert "Its clauses are those under `depth`." in text
    (asked,) = {line.strip() for line in text.splitlines() if "require" in line}
    assert asked.startswith('asked = "require N/F = base.N/base.F and (N > L')
    assert "valid" not in text


@pytest.mark.slow
def test_constants_stand_on_the_right(tmp_path: Path) -> None:
    said = ("1 < N", "N > max(F/8, L)", "1 > params > N", "N < F/2")
    rule = f"rule other extends mine {{ {' '.join(f'where {test} {{ tensor mlp {{ lr *= 2 }} }}' for test in said)} }}"
    request = PlanRequest(("N=32",))
    files = files_of(plan(load_text(EVERYTHING + rule, "test.scale"), Operands("other", "tiny_gpt", "adamw"), request))
    write(tmp_path, files)
    assert_lints(tmp_path)
    assert "self.N > 1" in files["model.py"]


@pytest.mark.torch
def test_sizes_of_another_rule_are_refused(tmp_path: Path) -> None:
    emitted = import_files(planned("L=4,F=64"), tmp_path)
    emitted.model.Config()
    emitted.model.Config(N=32, F=128, L=8)
    for sizes in ({"F": 32}, {"N": 32}, {"N": 64, "F": 32}):
        with pytest.raises(ValueError, match="a plan of their own"):
            emitted.model.Config(**sizes)
