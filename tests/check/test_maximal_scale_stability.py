"""`maximal_scale_stability`: forward every term of order 1 or absent, backward every term as large as the largest."""

from __future__ import annotations

from scalec.check.report import Report
from scalec.check.run import check
from scalec.symbolic.order import Order, Regime
from tests.calculus import networks as nets
from tests.calculus.networks import WIDTH, F, N, Rule, change, half, inverse, mup, rule

GOAL = "maximal_scale_stability"
FFN = Regime("ffn", ("s",), (("F", Order.of({"s": 1})),))


def judged(net: nets.Net, of: Rule, regime: Regime) -> Report:
    return check(net.program, rule(net, of), regime, (GOAL,))


def failing(report: Report) -> dict[tuple[str, str], str]:
    return {(f.tensor, f.term): str(f.exponent) for f in report.findings if f.goal == GOAL}


def zero(of: Rule, *tensors: str) -> Rule:
    for tensor in tensors:
        of = change(of, tensor, init=None)
    return of


def test_what_vanishes_at_the_readout_is_a_fault_unless_it_is_absent():
    net = nets.residual(nets.UNIT)
    assert failing(judged(net, mup("entrywise"), WIDTH)) == {("readout", "init"): "s^(-1/2)"}
    assert judged(net, zero(mup("entrywise"), "readout"), WIDTH).verdict == "pass"


def test_a_gradient_is_looked_at_inside_the_copies_term_by_term():
    """Hidden units grow alone, the second matrix like a readout: its init vanishes forward, and what it sends back.

    Back through the first the initial gradient adds up `F` independent terms; what training adds agrees.
    """
    net = nets.residual(nets.UNIT, hidden=F)
    report = judged(net, change(mup("entrywise"), "block.down", init=inverse(half(F))), FFN)
    assert failing(report) == {("block.down", "init"): "s^(-1/2)", ("block.up", "backward init"): "s^(-1/2)"}
    backward = next(f for f in report.findings if f.term == "backward init")
    assert "the largest term of this gradient is of order `1`" in backward.diagnostic.notes


def test_a_gradient_outside_copies_is_nobodys_business():
    """The same matrix before the repeat: its gradient's terms may differ, it is no sum over copies."""
    net = nets.mlp()
    small = change(zero(mup("entrywise"), "readout"), "hidden", init=inverse(N))
    assert all(not term.startswith("backward") for _, term in failing(judged(net, small, WIDTH)))
