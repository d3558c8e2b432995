"""What must hold of every report: invariances, sharpness, chains that multiply out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import pytest

from scalec.calculus import backward, forward, pruning
from scalec.calculus.scaling import Scaling, TensorScaling
from scalec.check.report import Report, product
from scalec.check.run import check
from scalec.program.program import Program
from scalec.symbolic.formula import UNIT, Formula, divide, maximum, minimum, mul, power
from scalec.symbolic.order import Order, Regime
from tests.calculus import networks as nets
from tests.calculus.networks import BOTH, HEAD_DIM, WIDTH, H, L, N, change, inverse, mup, rule

GOALS = ("stable_init", "stable_training", "nontrivial", "maximal_update", "faithful")
THIRD = power(N, Fraction(1, 3))


def deep(family="entrywise"):
    """muP on a residual network, factor and epsilons 1/L: passes in width and depth together."""

    def of(tensor) -> TensorScaling:
        found = mup(family)(tensor)
        return replace(found, eps=mul(found.eps, inverse(L))) if tensor.axes and found.eps else found

    return of


def subjects() -> Iterator[tuple[str, Program, Scaling, Regime]]:
    mlp, residual, attention = nets.mlp(), nets.residual(inverse(L)), nets.attention(divide(H, N))
    yield "mlp", mlp.program, rule(mlp, mup("entrywise")), WIDTH
    yield "mlp sgd", mlp.program, rule(mlp, mup("sgd")), WIDTH
    yield "mlp wrong", mlp.program, rule(mlp, change(mup("entrywise"), "hidden", lr=THIRD)), WIDTH
    yield "mlp spectral", mlp.program, rule(mlp, mup("spectral")), WIDTH
    yield "residual", residual.program, rule(residual, deep()), BOTH
    yield "attention", attention.program, rule(attention, mup("entrywise")), HEAD_DIM
    gated, tied = nets.gated(), nets.tied()
    yield "gated", gated.program, rule(gated, mup("entrywise")), WIDTH
    yield "tied", tied.program, rule(tied, mup("entrywise")), WIDTH


SUBJECTS = {name: rest for name, *rest in subjects()}


@pytest.fixture(params=SUBJECTS)
def subject(request) -> tuple[Program, Scaling, Regime]:
    return tuple(SUBJECTS[request.param])


def summary(report: Report) -> dict[tuple[str, ...], Order | None]:
    return {(r.observable, r.tensor, r.term, str(r.step), r.where): r.order for r in report.terms}


def test_factors_of_every_chain_multiply_to_the_order(subject):
    report = check(*subject, GOALS)
    explained = [row for row in (*report.terms, *report.findings) if row.chain]
    assert len(explained) > 10
    for row in explained:
        if row.term not in ("epsilon", "decay"):
            assert product(row.chain) == row.order


@pytest.mark.slow
def test_the_order_of_declarations_does_not_matter(subject):
    program, scaling, regime = subject
    turned = replace(program, tensors=program.tensors[::-1], sites=program.sites[::-1])
    backwards = Scaling(dict(reversed(scaling.tensors.items())), dict(reversed(scaling.sites.items())))
    first, second = check(program, scaling, regime, GOALS), check(turned, backwards, regime, GOALS)
    assert summary(first) == summary(second)
    assert first.verdicts == second.verdicts


def test_a_gauge_transformation_changes_no_observable(subject):
    """calculus.md, section 7: multiplier times theta, init over theta, hyperparameters with them."""
    program, scaling, regime = subject
    first = check(program, scaling, regime, GOALS)
    moved = Scaling({path: _gauge(t, theta) for (path, t), theta in zip(
        scaling.tensors.items(), _thetas(), strict=False)}, scaling.sites)  # fmt: skip
    second = check(program, moved, regime, GOALS)
    assert summary(first) == summary(second)
    assert first.verdicts == second.verdicts


def _thetas() -> Iterator[Formula]:
    for k in (1, -2, 3, -1, 2, 5, -3, 1, 4):
        yield power(N, Fraction(k, 3))


def _gauge(t: TensorScaling, theta: Formula) -> TensorScaling:
    if len(t.scale) > 1:
        return t  # a tied weight has no gauge freedom
    power_of_rate = -2 if t.family == "sgd" else -1
    return replace(
        t,
        scale=tuple(mul(s, theta) for s in t.scale),
        init=t.init and divide(t.init, theta),
        lr=t.lr and mul(t.lr, power(theta, power_of_rate)),
        eps=t.eps and mul(t.eps, theta),
    )


def test_names_of_dimensions_do_not_matter():
    """Under the regime with s and t exchanged, and N and L as they are, exponents are exchanged."""
    net = nets.residual(inverse(L))
    turned = Regime("both", ("t", "s"), BOTH.growth)
    first, second = (check(net.program, rule(net, deep()), r, GOALS) for r in (BOTH, turned))
    assert {k[:-1]: v for k, v in summary(first).items()} == {k[:-1]: v for k, v in summary(second).items()}


# ---- sharpness -------------------------------------------------------------------------------
def assert_names(report: Report, tensor: str) -> None:
    assert report.verdict == "fail"
    assert any(tensor in (f.tensor, f.cause) for f in report.findings)


def test_assert_names_notices():
    net = nets.mlp()
    with pytest.raises(AssertionError):
        assert_names(check(net.program, rule(net, mup("sgd")), WIDTH), "input")


FACTORS = {
    "rate up": {"lr": THIRD},
    "rate down": {"lr": inverse(THIRD)},
    "init up": {"init": THIRD},
    "epsilon up": {"eps": THIRD},
}
SHARP = [  # only an entrywise update has an epsilon
    (family, factor)
    for family in ("sgd", "entrywise", "spectral")
    for factor in FACTORS
    if family == "entrywise" or "eps" not in FACTORS[factor]
]


@pytest.mark.slow
@pytest.mark.parametrize("path", ["input", "hidden", "readout"])
@pytest.mark.parametrize(("family", "factor"), SHARP)
def test_every_attribute_is_sharp(path, family, factor):
    factors = FACTORS[factor]
    net = nets.mlp()
    assert_names(check(net.program, rule(net, change(mup(family), path, **factors)), WIDTH), path)


@pytest.mark.parametrize("family", ["sgd", "entrywise", "spectral"])
def test_a_hidden_init_is_sharp_from_below_and_a_readout_is_not(family):
    net = nets.mlp()
    small = {"init": inverse(THIRD)}
    assert_names(check(net.program, rule(net, change(mup(family), "hidden", **small)), WIDTH), "hidden")
    relaxed = change(mup(family), "readout", **small)
    if family == "entrywise":  # smaller gradients behind the readout need smaller epsilons
        for path in ("input", "hidden"):
            relaxed = change(relaxed, path, eps=inverse(N))
    goals = ("stable_init", "stable_training", "nontrivial", "maximal_update", "faithful")
    report = check(net.program, rule(net, relaxed), WIDTH, goals if family != "sgd" else goals[:3])
    assert report.verdict == "pass"


@pytest.mark.slow
def test_every_rate_in_attention_is_sharp():
    net = nets.attention(divide(H, N))
    eps = mup("entrywise")
    for path in ("embedding", "q", "k", "v", "o", "readout"):
        for factor in (THIRD, inverse(THIRD)):
            assert_names(check(net.program, rule(net, change(eps, path, lr=factor)), HEAD_DIM, GOALS[:4]), path)


@pytest.mark.slow
def test_a_smaller_query_init_passes():
    net = nets.attention(divide(H, N))
    report = check(net.program, rule(net, change(mup("entrywise"), "q", init=inverse(THIRD))), HEAD_DIM, GOALS[:4])
    assert report.verdict == "pass"


# ---- several scales --------------------------------------------------------------------------
def test_a_rule_that_fails_in_a_narrow_cone_is_refuted_there():
    """Too large an init only where N^2 < L < N^(33/16)."""
    net = nets.residual(inverse(L))
    bump = maximum(UNIT, minimum(divide(L, power(N, 2)), divide(power(N, Fraction(33, 16)), L)))
    report = check(net.program, rule(net, change(deep(), "readout", init=bump)), BOTH, GOALS)
    assert report.verdict == "fail"
    assert {f.where for f in report.findings} == {"2 < t/s < 33/16"}
    assert all("2 < t/s < 33/16" in f.diagnostic.message for f in report.findings)


@pytest.mark.parametrize("name", ["mlp", "mlp sgd", "mlp wrong", "mlp spectral", "tied"])
def test_pruning_changes_nothing(name, monkeypatch):
    pruned = summary(check(*SUBJECTS[name], GOALS))
    for module in (forward, backward, pruning):
        monkeypatch.setattr(module, "prune", lambda vector: vector)
    assert summary(check(*SUBJECTS[name], GOALS)) == pruned


def test_per_cause_all_other_tensors_are_frozen():
    net = nets.mlp()
    report = check(net.program, rule(net, mup("entrywise")), WIDTH, causes=("input",))
    rows = {(r.tensor, r.term): r.order for r in report.alone["input"] if r.step == 1 and r.tensor}
    assert rows["input", "effective"] == Order()
    assert rows["hidden", "effective"] is None
    assert rows["hidden", "propagating"] == Order()


def test_the_norm_of_the_whole_gradient_is_reported():
    """muP on an MLP: N^2 hidden entries of order 1/N, N readout entries of order 1."""
    net = nets.mlp()
    report = check(net.program, rule(net, mup("entrywise")), WIDTH)
    assert {row.order for row in report.norms} == {Order.of({"N": Fraction(1, 2)})}
