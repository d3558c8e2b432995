"""What pruning drops makes no difference: every order of every step is what it is without."""

from __future__ import annotations

import pytest

from scalec.calculus import backward, components, forward, pruning, rows
from scalec.check.report import Report
from scalec.operands import Operands
from scalec.pipeline import check_rule
from scalec.resolve.load import load_text

TEXT = """
use std.deepseek
use std.spectral
use std.networks

# Narrow experts on a stream, chosen by a router that starts at random.
network narrow {
  dims N, M, K, Ne
  input(32)
  linear(N) as w_in
  residual { moe(experts = M, active = K, width = Ne, normalised, act = relu) }
  readout(10)
}
network narrow_and_shared {
  dims N, M, K, Ne
  input(32)
  linear(N) as w_in
  moe(experts = M, active = K, width = Ne, normalised, shared = 1, act = relu)
  readout(10)
}
rule routed extends deepseek_mssp for adam, adamw {
  tensor router { init.std ~ min(1, sqrt(fan_out/fan_in))/sqrt(fan_in) }
}
"""
LARGE = [
    ("mup", "gpt", "adamw", "width"),
    ("mup", "llama", "adamw", "gqa_width"),
    ("spectral", "llama", "adamw", "gqa_width"),
    ("mup", "gpt", "sgd", "head_dim"),
    ("moe_mup", "moe_gpt", "adamw", "proportional"),
]
CASES = [
    pytest.param("moe_mup", "moe_mlp", "sgd", "fine_grained"),
    pytest.param("routed", "narrow", "adamw", "fine_grained"),
    pytest.param("routed", "narrow_and_shared", "adamw", "fine_grained"),
    pytest.param("moe_mup", "narrow", "adamw", "fixed_experts"),
    *(pytest.param(*case, marks=pytest.mark.slow) for case in LARGE),
]


def orders(report: Report) -> dict[tuple[object, ...], object]:
    """Every order as an exponent: of two monomials that tie either may be shown."""
    terms = {(t.observable, t.tensor, t.term, t.step): t.exponent for t in report.terms}
    return terms | {(g.tensor, g.step): g.exponent for g in report.gradients}


@pytest.mark.parametrize(("rule", "network", "optimizer", "regime"), CASES)
def test_orders_are_those_without_it(
    rule: str, network: str, optimizer: str, regime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def checked() -> Report:
        return check_rule(load_text(TEXT, "pruning.scale"), Operands(rule, network, optimizer), regime)

    pruned, dropped, prune = checked(), 0, pruning.prune

    def whole(vector: components.Vector) -> components.Vector:
        nonlocal dropped
        dropped += len(vector) - len(prune(vector))
        return vector

    for module in (pruning, forward, backward, rows):
        monkeypatch.setattr(module, "prune", whole)
    unpruned = checked()
    assert dropped
    assert orders(pruned) == orders(unpruned)
