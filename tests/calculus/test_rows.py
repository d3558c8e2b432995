"""Scalars that moved by dot products with vectors, times these vectors: the sum turns towards the gradient.

Each with one tensor trained. The exponents were measured before they were predicted: attention's over heads
and depth, the router's over the number of experts.
"""

from __future__ import annotations

import pytest

from scalec.calculus.structure import Structure
from scalec.calculus.training import train
from scalec.calculus.world import World
from scalec.check.run import check
from scalec.symbolic.dominance import Cell
from scalec.symbolic.formula import divide
from scalec.symbolic.order import Order, Regime
from tests.calculus import networks as nets
from tests.calculus.networks import DEPTH, HEAD_DIM, WIDTH, H, L, N, inverse, mup, rule

HEADS = Regime("heads", ("s",), (("N", Order.of({"s": 1})), ("H", Order.of({"s": 1}))))
EXPERTS = Regime("experts", ("s",), (("M", Order.of({"s": 1})),))


def change(net: nets.Net, trained: str, observable: str, regime: Regime) -> str:
    """The exponent of an observable's change at the limit."""
    report = check(net.program, rule(net, mup("entrywise")).training_only(trained), regime, ())
    (row,) = (r for r in report.term(observable, "change") if not r.tensor)
    return str(row.exponent)


@pytest.mark.parametrize("trained", ["q", "k"])
def test_many_heads_turn_together(trained):
    """Each head turns its output a little towards the gradient; the readout adds up what is coherent."""
    assert change(nets.attention(divide(H, N)), trained, "readout", HEADS) == "1"


@pytest.mark.parametrize("trained", ["q", "k"])
def test_wide_heads_hardly_turn(trained):
    """Of two vectors of `head_dim` coordinates that share nothing else, `head_dim^(-1/2)` agrees."""
    assert change(nets.attention(divide(H, N)), trained, "readout", HEAD_DIM) == "s^(-1/2)"


@pytest.mark.parametrize("trained", ["block.q", "block.k"])
def test_layers_turn_together(trained):
    """With a factor of one over depth: a sum of independent changes would be of order `L^(-1/2)`."""
    assert change(nets.attentive(inverse(L)), trained, "block", DEPTH) == "1"


def test_a_router_turns_the_sum_of_its_experts():
    """Gates move by `1/M` each; a sum of independent changes would be of order `M^(-1/2)`."""
    assert change(nets.experts(), "router", "sum", EXPERTS) == "1"
    assert change(nets.experts(), "router", "readout", WIDTH) == "s^(-1/2)"


def test_components_stay_few():
    """Orders that tie under the regime, and copies that differ under letters alone, are not kept apart."""
    net = nets.attention(divide(H, N))
    training = train(World(Structure(net.program), rule(net, mup("entrywise")), Cell(HEADS)))
    last = training.limit
    assert max(map(len, (*last.forward.values.values(), *last.backward.gradients.values()))) < 40
