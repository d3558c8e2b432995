"""The table of calculus.md, section 8, without mixtures of experts."""

from __future__ import annotations

from fractions import Fraction

import pytest

from scalec.calculus.scaling import TensorScaling
from scalec.check.report import Report
from scalec.check.run import check
from scalec.symbolic.formula import UNIT, divide, mul
from tests.calculus import networks as nets
from tests.calculus.networks import BOTH, DEPTH, HEAD_DIM, WIDTH, L, N, change, half, inverse, mup, rule

H = Fraction(1, 2)
BIG = ("stable_init", "stable_training", "nontrivial", "maximal_update", "faithful")


def report(net, of, regime=WIDTH, goals=BIG) -> Report:
    return check(net.program, rule(net, of), regime, goals)


def exponents(found: Report, subject: str, term: str, step: int | None = None) -> str:
    """Exponents of a term at a weight's own output or of an observable, as text."""
    row = next(r for r in found.term(subject, term, step) if r.observable == subject)
    return "absent" if row.exponent is None else str(row.exponent)


def assert_terms(found: Report, **expected: str) -> None:
    """`hidden_effective="1"`: the exponent of `hidden`'s effective term as a monomial in the scales."""
    for name, value in expected.items():
        subject, term = name.rsplit("_", 1)
        assert (name, exponents(found, subject.replace("__", "."), term)) == (name, value)


def assert_gradients(found: Report, **expected: str) -> None:
    last = max(g.step for g in found.gradients)
    for name, value in expected.items():
        row = next(g for g in found.gradients if g.tensor == name.replace("__", ".") and g.step == last)
        assert (name, str(row.exponent)) == (name, value)


def test_a_wrong_term_is_noticed():
    with pytest.raises(AssertionError):
        assert_terms(report(nets.mlp(), mup("sgd")), hidden_effective="s")
    with pytest.raises(AssertionError):
        assert_gradients(report(nets.mlp(), mup("sgd")), hidden="1")


@pytest.mark.parametrize("family", ["sgd", "entrywise", "spectral"])
def test_mup_on_an_mlp(family):
    found = report(nets.mlp(), mup(family))
    assert found.verdict == "pass"
    assert_terms(found, input_init="1", input_effective="1")
    assert_terms(found, hidden_init="1", hidden_propagating="1", hidden_effective="1")
    assert_terms(found, readout_init="s^(-1/2)", readout_propagating="1", readout_effective="1")
    assert_gradients(found, input="s^-1", hidden="s^-1", readout="1")


def standard(tensor) -> TensorScaling:
    """Standard initialisation, Adam's learning rate 1/N everywhere."""
    return TensorScaling(inverse(half(tensor.uses[0].fan_in)), inverse(N), "entrywise")


def test_standard_parametrization():
    found = report(nets.mlp(), standard)
    assert found.verdict == "fail"
    assert_terms(found, input_effective="s^-1", hidden_propagating="s^-1", hidden_effective="1")
    assert_terms(found, readout_propagating="s^(1/2)", readout_effective="1")
    failed = {(f.tensor, f.term) for f in found.findings if f.goal == "maximal_update"}
    assert failed == {("input", "effective"), ("readout", "propagating")}


def ntk(tensor) -> TensorScaling:
    return TensorScaling(UNIT, UNIT, "sgd", scale=(inverse(half(tensor.uses[0].fan_in)),))


def test_neural_tangent_parametrization():
    found = report(nets.mlp(), ntk)
    assert_terms(found, input_effective="s^(-1/2)", hidden_effective="s^(-1/2)", hidden_propagating="s^(-1/2)")
    assert_terms(found, readout_init="1", readout_propagating="1", readout_effective="1")


def in_blocks(factor):
    def of(tensor) -> TensorScaling:
        scaling = mup("entrywise")(tensor)
        return change(mup("entrywise"), tensor.path, lr=factor)(tensor) if tensor.axes else scaling

    return of


def test_depth_with_a_factor_of_one_over_depth():
    found = report(nets.residual(inverse(L)), mup("entrywise"), DEPTH)
    assert_terms(found, block__up_effective="1", block__down_effective="1", block_change="1")
    assert_gradients(found, block__up="s^-1", block__down="s^-1")


def test_depth_with_a_root_and_small_rates_is_lazy():
    net = nets.residual(inverse(half(L)))
    found = report(net, in_blocks(inverse(half(L))), DEPTH, ("maximal_update", "complete_depth"))
    assert_terms(found, block_change="1", block__up_effective="s^(-1/2)", block__down_effective="s^(-1/2)")
    assert dict(found.verdicts) == {"maximal_update": "pass", "complete_depth": "fail"}


def test_depth_with_a_root_and_full_rates_is_unstable():
    found = report(nets.residual(inverse(half(L))), mup("entrywise"), DEPTH)
    assert_terms(found, block_change="s^(1/2)")
    assert found.verdicts["stable_training"] == "fail"


def test_width_and_depth_together():
    net = nets.residual(inverse(L))
    of = change(change(mup("entrywise"), "block.up", eps=inverse(L)), "block.down", eps=inverse(L))
    found = report(net, of, BOTH, (*BIG, "complete_depth"))
    assert found.verdict == "pass"
    assert_gradients(found, block__up="s^-1 * t^-1")


def test_attention_with_growing_heads():
    found = report(nets.attention(divide(nets.H, N)), mup("entrywise"), HEAD_DIM)
    assert_terms(found, logits__out_init="s^(-1/2)", logits__out_change="1")
    found = report(nets.attention(half(divide(nets.H, N))), mup("entrywise"), HEAD_DIM)
    assert_terms(found, logits__out_init="1", logits__out_change="s^(1/2)")


def test_a_tied_embedding_meets_its_own_row():
    def of(tensor) -> TensorScaling:
        scaling = mup("entrywise")(tensor)
        tied = tensor.path == "embedding"
        return TensorScaling(UNIT, UNIT, "entrywise", scale=(UNIT, inverse(N))) if tied else scaling

    assert_terms(report(nets.tied(), of), readout_init="1")


@pytest.mark.parametrize("net", [nets.gated, nets.modulated])
def test_a_readout_behind_a_product_meets_its_own_row(net):
    assert_terms(report(net(), mup("entrywise")), readout_propagating="1")


def test_l2_in_the_gradient_makes_adam_lazy():
    def of(tensor) -> TensorScaling:
        s = mup("entrywise")(tensor)
        return TensorScaling(s.init, s.lr, "entrywise", wd=UNIT, decay="l2")

    assert_terms(report(nets.mlp(), of), hidden_effective="s^(-1/2)")


def test_a_readout_initialised_to_zero():
    """Nothing behind the readout moves in the first step; afterwards everything is as it should be."""
    found = report(nets.mlp(), change(mup("entrywise"), "readout", init=None))
    assert found.verdict == "pass"
    assert exponents(found, "hidden", "effective", step=1) == "absent"
    assert exponents(found, "hidden", "effective", step=2) == "1"
    assert_terms(found, readout_propagating="absent", readout_effective="1")


def test_sgd_rate_is_adam_rate_over_gradient_entry():
    """The identity of calculus.md: the two families prescribe the same function change."""
    net = nets.mlp()
    gradients = report(net, mup("entrywise")).gradients
    for tensor in net.program.tensors:
        entry = next(g.order for g in gradients if g.tensor == tensor.path)
        use = tensor.uses[0]
        adam, sgd = inverse(use.fan_in), divide(use.fan_out, use.fan_in)
        quotient = mul(adam, inverse(sgd))
        assert {s.name: e for s, e in quotient.factors} == dict(entry.powers)
