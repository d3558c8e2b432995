"""The packs of experts under `maximal_scale_stability`: exactly the terms that the paper says are left behind."""

from __future__ import annotations

import pytest

from scalec.check.report import Report
from scalec.operands import Operands
from scalec.pipeline import check_rule
from scalec.resolve.load import load_text

# `usual` has a readout of 1/fan_in: with one that starts at zero SGD fails as a whole, see the pack.
TEXT = """
use std.mssp
rule usual extends moe_mup for sgd, adam { tensor readout { init = normal } }
"""
GOALS = ("maximal_scale_stability", "maximal_update")
REGIMES = ("fixed_experts", "fine_grained", "proportional")
LEFT_BEHIND = {
    "fixed_experts": {("moe.logits", "moe.router", "init"): "s^(-1/2)"},
    "fine_grained": {
        ("moe.out", "moe.down", "init"): "s^(-1/2)",
        ("moe.out", "moe.down", "propagating"): "s^(-1/2)",
    },
    "proportional": {("moe.out", "moe.down", "init"): "s^(-1/2)"},
}
# What a readout of 1/fan_in says at the start, of a sum that vanishes itself where experts grow in number.
AT_THE_START = {"fixed_experts": "s^(-1/2)", "fine_grained": "s^-1", "proportional": "s^-1"}


def report(rule: str, optimizer: str, regime: str) -> Report:
    return check_rule(load_text(TEXT), Operands(rule, "moe_mlp", optimizer), regime, GOALS)


def forward(found: Report) -> dict[tuple[str, str, str], str]:
    """Where, through which tensor, which term: its exponent."""
    return {
        (f.subject, f.tensor, f.term): str(f.exponent)
        for f in found.findings
        if f.goal == GOALS[0] and not f.term.startswith("backward")
    }


@pytest.mark.parametrize("regime", REGIMES)
def test_what_mup_leaves_behind_and_nothing_else(regime: str) -> None:
    found = report("moe_mup", "adam", regime)
    assert forward(found) == LEFT_BEHIND[regime]
    assert found.verdicts == {"maximal_scale_stability": "fail", "maximal_update": "pass"}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("regime", REGIMES)
def test_the_same_behind_a_readout_that_starts(regime: str, optimizer: str) -> None:
    found = report("usual", optimizer, regime)
    assert forward(found) == LEFT_BEHIND[regime] | {("logits", "out", "init"): AT_THE_START[regime]}
    assert found.verdicts["maximal_update"] == "pass"


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("regime", REGIMES)
def test_the_structural_change_leaves_nothing_behind(regime: str, optimizer: str) -> None:
    found = report("mssp", optimizer, regime)
    assert found.verdict == "pass"
    assert found.findings == ()
