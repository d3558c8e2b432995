"""Input that makes no sense, and what the calculus cannot decide."""

from __future__ import annotations

import pytest

from scalec import catalogue as codes
from scalec.calculus.scaling import Scaling
from scalec.check.run import check
from scalec.diagnostics import ScalecError
from scalec.program import ops
from scalec.symbolic.formula import add, log, mul, number
from scalec.symbolic.order import ONE, Order, Regime
from tests.calculus import networks as nets
from tests.calculus.networks import BOTH, DEPTH, WIDTH, L, N, change, inverse, mup, rule


def complaints(program, scaling, regime, goals=("stable_init",)) -> list[str]:
    with pytest.raises(ScalecError) as error:
        check(program, scaling, regime, goals)
    return [d.code.name for d in error.value.diagnostics]


def test_several_mistakes_are_reported_at_once():
    net = nets.mlp()
    still = Regime("still", ("s",), (("N", ONE),))
    without = Scaling({}, {})
    found = complaints(net.program, without, still, ("stable_initt",))
    assert found == ["unknown-goal", "nothing-grows", "unsaid", "unsaid", "unsaid"]


def test_a_dimension_that_nothing_depends_on():
    net = nets.mlp()
    assert complaints(net.program, rule(net, mup("sgd")), Regime("x", ("s",), (("K", Order.of({"s": 1})),))) == [
        codes.IDLE_DIMENSION.name
    ]


@pytest.mark.parametrize("factor", [log(N), add(N, mul(number(-1), L))], ids=["logarithm", "difference"])
def test_an_order_that_is_no_monomial(factor):
    net = nets.residual(inverse(L))
    both = Regime("equal", ("s",), tuple((d, Order.of({"s": 1})) for d in ("N", "L")))
    assert complaints(net.program, rule(net, change(mup("sgd"), "input", lr=factor)), both) == [codes.NO_ORDER.name]


def test_growth_without_end_is_unsettled():
    """A residual block without norm and factor doubles the stream in every layer."""
    net = nets.Net("plain")
    x = net.linear("input", net.data(), nets.UNIT, N)

    def body(carried: str) -> str:
        h = net.linear("block.down", net.act(net.linear("block.up", carried, N, N)), N, N)
        return net.op(ops.Add("block.out", (carried, h)))

    program = net.done(net.linear("readout", net.repeat(x, L, body), N, nets.UNIT))
    report = check(program, rule(net, mup("sgd")), DEPTH)
    assert report.verdict == "fail"
    assert report.limits == {"": None}
    assert codes.UNSETTLED in {f.diagnostic.code for f in report.findings}
    assert report.verdicts["maximal_update"] == "fail"


def plain(sigma):
    """A network without a stream whose block multiplies what it carries by sigma, in order."""
    net = nets.Net("plain")
    x = net.linear("input", net.data(), nets.UNIT, N)
    x = net.repeat(x, L, lambda carried: net.linear("block.hidden", carried, N, N))
    program = net.done(net.linear("readout", x, N, nets.UNIT))
    return program, rule(net, change(mup("sgd"), "block.hidden", init=sigma))


@pytest.mark.parametrize(("sigma", "drift"), [(inverse(N), "shrinks"), (N, "grows")])
@pytest.mark.parametrize("regime", [WIDTH, BOTH])
def test_what_shrinks_or_grows_from_copy_to_copy_has_no_order(sigma, drift, regime):
    report = check(*plain(sigma), regime, ("stable_init", "nontrivial"))
    assert f"`block` {drift} from copy to copy" in report.diagnostics[0].message
    assert set(report.verdicts.values()) == {"fail"}
    assert not any(t.order for t in report.terms)


def test_a_stream_that_outgrows_what_enters_it_proves_nothing_of_training():
    """Its init fails, and no order of a change or a gradient is given; where it stays, all is judged."""
    net = nets.residual(nets.UNIT)
    report = check(net.program, rule(net, mup("sgd")), DEPTH)
    assert report.verdicts == {
        "stable_init": "fail", "stable_training": "fail",
        "nontrivial": "undetermined", "maximal_update": "undetermined", "faithful": "undetermined",
    }  # fmt: skip
    assert report.gradients == report.norms == ()
    assert {t.step for t in report.terms} == {0}
    assert [d.code for d in report.diagnostics if d.severity == "warning"] == [codes.UNPROVED]
    assert check(net.program, rule(net, mup("sgd")), WIDTH).verdict == "pass"


def test_a_small_embedding_under_a_stream_is_outgrown_too():
    """Its first block divides by less than later ones, at any depth."""
    net = nets.residual(nets.UNIT)
    small = check(net.program, rule(net, change(mup("sgd"), "input", init=inverse(N))), WIDTH, ("maximal_update",))
    assert small.verdict == "undetermined"


def test_a_norm_on_the_stream_over_growing_depth_is_undetermined():
    net = nets.Net("post-norm")
    x = net.linear("input", net.data(), nets.UNIT, N)

    def body(carried: str) -> str:
        h = net.linear("block.hidden", net.act(carried), N, N)
        return net.norm(net.op(ops.Add("block.sum", (carried, h))), "block.out")

    program = net.done(net.linear("readout", net.repeat(x, L, body), N, nets.UNIT))
    deep = check(program, rule(net, mup("sgd")), DEPTH)
    assert deep.verdict == "undetermined"
    assert [d.code for d in deep.diagnostics] == [codes.NO_TRANSFER]
    assert check(program, rule(net, mup("sgd")), WIDTH).verdict == "pass"


def test_depth_without_a_stream_adds_up_all_the_same():
    """L layers in a row, none of them a residual: rates of 1/L each move the last at order 1, layer by layer lazy."""
    net = nets.Net("chain")
    x = net.act(net.linear("input", net.data(), nets.UNIT, N))
    x = net.repeat(x, L, lambda carried: net.act(net.linear("block.hidden", carried, N, N)))
    program = net.done(net.linear("readout", x, N, nets.UNIT))
    slow = rule(net, change(mup("entrywise"), "block.hidden", lr=inverse(L)))
    assert dict(check(program, slow, DEPTH, ("stable_training", "maximal_update", "complete_depth")).verdicts) == {
        "stable_training": "pass", "maximal_update": "pass", "complete_depth": "fail",
    }  # fmt: skip
    assert check(program, rule(net, mup("entrywise")), DEPTH).verdict == "fail"
