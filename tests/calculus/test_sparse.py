"""Sparse weights: what is summed, what an update brings, how many entries a gradient has."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from scalec.calculus.scaling import Family
from scalec.check.report import Report
from scalec.check.run import check
from scalec.program.program import Dimension, Program
from scalec.symbolic.formula import power, symbol
from scalec.symbolic.order import Order, Regime
from tests.calculus import networks as nets
from tests.calculus.networks import change, mup, rule

RHO = symbol("size", "rho")
SPARSER = Regime("sparser", ("s",), (("rho", Order.of({"s": -1})),))
BOTH = Regime("both", ("s", "t"), (("N", Order.of({"s": 1})), ("rho", Order.of({"t": -1}))))


def sparse(net: nets.Net, path: str = "hidden") -> Program:
    """The same network, of whose hidden weight the share rho takes part."""
    tensors = tuple(replace(t, density=RHO) if t.path == path else t for t in net.program.tensors)
    dimensions = (*net.program.dimensions, Dimension("rho"))
    return replace(net.program, tensors=tensors, dimensions=dimensions)


def orders(report: Report, tensor: str) -> dict[str, Order | None]:
    """Terms of a tensor at its own output, of the last step."""
    return {row.term: row.order for row in report.terms if row.tensor == tensor and row.observable == tensor}


def checked(family: Family, regime: Regime = SPARSER, **factors) -> Report:
    net = nets.mlp()
    return check(sparse(net), rule(net, change(mup(family), "hidden", **factors)), regime)


@pytest.mark.parametrize("family", ["entrywise", "sgd", "spectral"])
def test_sums_run_over_what_is_kept(family: Family) -> None:
    """rho*N terms, initially and in a step; an orthogonalised update is that of the whole matrix, then masked."""
    found = orders(checked(family), "hidden")
    assert found["init"] == Order.of({"rho": Fraction(1, 2)})
    assert found["effective"] == Order.of({"rho": 1})


@pytest.mark.parametrize("regime", [SPARSER, BOTH])
def test_a_larger_start_and_a_larger_rate_make_up_for_it(regime: Regime) -> None:
    report = checked("entrywise", regime, init=power(RHO, Fraction(-1, 2)), lr=power(RHO, -1))
    assert report.verdict == "pass"
    assert orders(report, "hidden")["effective"] == Order()


def test_a_gradient_has_as_many_entries_as_are_kept() -> None:
    """N^2*rho of them at 1/N each: seen where nothing else is trained."""
    net = nets.mlp()
    scaling = rule(net, change(mup("entrywise"), "hidden", init=power(RHO, Fraction(-1, 2)), lr=power(RHO, -1)))
    report = check(sparse(net), scaling.training_only("hidden"), BOTH)
    assert {row.order for row in report.norms} == {Order.of({"rho": Fraction(1, 2)})}
