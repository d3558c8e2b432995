"""A check in several regimes shares what a rule says in all of them, and nothing else."""

from __future__ import annotations

import pytest

from scalec.operands import Operands
from scalec.pipeline import check_rule, run_checks
from scalec.resolve.load import load_text

REGIMES = ("width", "width + depth")
TEXT = """
use std.completep
rule mine extends completep for adamw {
  SAYS
}
check mine on gpt for adamw under width, width + depth { expect nontrivial }
"""
SAYS = {
    "clauses for one regime": "under depth { tensor matrix { init.std *~ sqrt(fan_in) } }",
    "a run clause for one regime": "under depth { run { lr *~ 1/N } }",
}


@pytest.mark.parametrize("says", SAYS.values(), ids=SAYS)
def test_each_regime_is_checked_as_it_is_alone(says: str) -> None:
    workspace = load_text(TEXT.replace("SAYS", says), "sharing.scale")
    together = {run.regime: run for run in run_checks(workspace)}
    assert list(together) == list(REGIMES)
    rows = []
    for regime, run in together.items():
        assert run.report is not None, run.diagnostics
        alone = check_rule(workspace, Operands("mine", "gpt", "adamw"), regime, ["nontrivial"])
        assert run.report == alone
        rows.append({(t.observable, t.tensor, t.term, t.step): t.exponent for t in alone.terms})
    assert rows[0] != rows[1]


def test_a_mistake_is_found_in_every_regime() -> None:
    workspace = load_text(TEXT.replace("SAYS", "tensor matrix { lr ~ 1/kernel }"), "sharing.scale")
    found = {run.regime: [d.message for d in run.diagnostics] for run in run_checks(workspace)}
    assert found == {regime: ["`kernel` is no size here"] for regime in REGIMES}
