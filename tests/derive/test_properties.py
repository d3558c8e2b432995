"""What must hold of every derived rule, on networks put together at random from the language's blocks."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalec import catalogue as codes
from scalec.check.goals import DEFAULT
from scalec.check.run import check
from scalec.derive.given import problem_of
from scalec.derive.problem import INIT, RATE, Lever, Problem
from scalec.derive.reach import reach
from scalec.derive.solve import Solution
from scalec.diagnostics import Reporter, ScalecError
from scalec.operands import Chooser, Operands
from scalec.pipeline import check_rule
from scalec.resolve.load import load_text
from scalec.source import Source
from scalec.symbolic.order import Order
from scalec.symbolic.regime import resolve_regime
from scalec.syntax.parser import parse_ref, parse_regime

PACKS = """use std.dims
use std.optimizers
use std.regimes
regime finer { M ~ s;  K ~ s }
regime wider { N ~ s;  Ne ~ s }
rule split { tensor * { optimizer = adamw }  tensor matrix { optimizer = muon } }
"""
SOLID = settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

BIAS = st.sampled_from(["", ", bias"])
ACTS = st.sampled_from(["relu", "gelu", "silu", "tanh"])
EXPERTS = st.builds(
    "moe(experts = {}, width = {}, router = {}, act = {})".format,
    st.sampled_from(["M, active = K", "8, active = 2"]),
    st.sampled_from(["Ne", "F", "64"]),
    st.sampled_from(["sigmoid", "softmax", "linear"]),
    st.sampled_from(["relu", "gelu", "swiglu"]),
)
BRANCHES = EXPERTS | st.sampled_from([
    "mlp(width = F, act = relu)", "mlp(width = N, act = gelu, bias)", "mlp(width = F, act = swiglu)",
    "attention(heads = H)", "attention(heads = H, qk_norm)", "attention(heads = H, kv_heads = 2, bias)",
    "linear(N) act(relu)", "linear(F, bias) act(silu) linear(N)",
])  # fmt: skip


@st.composite
def networks(draw: st.DrawFn) -> str:
    """A stack of layers, or a pre-norm residual stream of blocks, between an input and a readout."""
    plain = [f"linear(N{draw(BIAS)}) act({draw(ACTS)})" for _ in range(draw(st.integers(0, 2)))]
    plain += draw(st.just([]) | EXPERTS.map(lambda block: [block]))
    norm = draw(st.sampled_from(["layer", "layer, bias", "layer, gain = no", "rms"]))
    branches = [f"residual {{ norm({norm}) {b} }}" for b in draw(st.lists(BRANCHES, min_size=1, max_size=2))]
    inner = draw(st.sampled_from([plain, [f"repeat L {{ {' '.join(branches)} }}", "norm(layer)"], branches]))
    body = "\n".join(("input(D)", f"linear(N{draw(BIAS)})", *inner, f"readout(C{draw(BIAS)})"))
    return f"network net {{\ndims N, L, H = N/64, F = 4*N, M, K, Ne\nfixed D = 64, C = 10\n{body}\n}}\n"


def regimes(text: str) -> list[str]:
    """What may grow in a network."""
    depth = ["depth"] if "repeat" in text else []
    return [
        "width",
        *depth,
        *(["finer"] if "experts = M" in text else []),
        *(["wider"] if "width = Ne" in text else []),
    ]


def narrow(text: str, regime: str) -> bool:
    """Whether some experts are a bottleneck: neither they nor their number grows with what they read."""
    still = {"width": ["64", "Ne"], "depth": [], "finer": [], "wider": ["64"]}[regime]
    few = [line for line in text.splitlines() if "moe" in line and ("experts = 8" in line or regime != "finer")]
    return any(f"width = {width}," in line for line in few for width in still)


def problem_on(text: str, team: str, regime: str) -> Problem:
    workspace = load_text(PACKS + text, "t.scale")
    reporter = Reporter()
    keep = parse_ref(Source("rule", "split")) if "+" in team else None
    network = parse_ref(Source("name", "net"))
    subject = Chooser(workspace, reporter).subject(keep, network, tuple(team.split(" + ")))
    growth = resolve_regime(workspace, parse_regime(Source("regime", regime)), reporter)
    assert growth is not None
    return problem_of(subject.program, subject.rule, subject.optimizers, growth)


def derived(text: str, team: str, regime: str) -> tuple[Problem, Solution]:
    problem = problem_on(text, team, regime)
    return problem, reach(problem, DEFAULT).solution


TEAMS = st.sampled_from(["sgd", "adam", "adamw", "muon + adamw"])


@pytest.mark.slow
@SOLID
@given(text=networks(), team=TEAMS, data=st.data())
def test_a_derived_rule_is_right_and_no_rate_or_init_could_be_larger(text: str, team: str, data: st.DataObject) -> None:
    """`reach` gives out only what passes its check; any rate or init times something that grows does not.

    A layer that stays narrow behind a wide one may have no rule: its first values vanish, or what is learnt before it
    explodes there. Then that is what is said.
    """
    regime = data.draw(st.sampled_from(regimes(text)))
    try:
        problem, solution = derived(text, team, regime)
    except ScalecError as error:
        assert_narrow(text, regime, error)
        return
    size = next(name for name, order in problem.regime.growth if order.powers)
    levers = [lever for lever in solution.orders if lever.attribute in (RATE, INIT)]
    lever = data.draw(st.sampled_from(levers))
    factor = Order.of({size: data.draw(st.fractions(Fraction(1, 6), 2, max_denominator=6))})
    assert_sharp(problem, solution, lever, factor)


@pytest.mark.slow
@SOLID
@given(text=networks(), team=TEAMS, data=st.data())
def test_what_is_written_says_what_was_found(text: str, team: str, data: st.DataObject) -> None:
    """The clauses, read back by the language and planned like any rule's, pass the check."""
    regime = data.draw(st.sampled_from([r for r in regimes(text) if not narrow(text, r)]))
    keep = " keep split" if "+" in team else ""
    rule = f"rule mine = derive {', '.join(DEFAULT)} for {team} on net under {regime}{keep}\n"
    workspace = load_text(f"{PACKS}{text}{rule}", "t.scale")
    report = check_rule(workspace, Operands("mine", "net", team), regime)
    assert report.verdict == "pass", [f.diagnostic.message for f in report.findings]


def assert_narrow(text: str, regime: str, error: ScalecError) -> None:
    [found] = error.diagnostics
    assert found.code is codes.OUT_OF_REACH, str(error)
    if found.notes[0].startswith("normalised gradients have a rule"):
        return  # plain ones wait for each other
    assert narrow(text, regime), str(error)
    assert "stable_init" in found.message, found.message


# What stands in each other's way at a bottleneck, if all that is read is looked at.
BOTTLENECK = """network net {
dims N
fixed D = 64, C = 10
input(D) linear(N) linear(N) act(tanh) moe(experts = 8, active = 2, width = 64, router = softmax, act = relu) readout(C)
}
"""
TERMS = (
    "these cannot hold together:",
    "`moe.up`'s init term is at least of order 1 (stable_init)",
    "`linear2`'s effective term is of order 1 exactly (maximal_update)",
    "`moe.up`'s propagating term is at most of order 1 (maximal_update)",
    "`linear2`'s init term is at most of order 1 (stable_init)",
)


@pytest.mark.slow
@pytest.mark.parametrize("team", ["sgd", "adam", "adamw", "muon + adamw"])
def test_a_bottleneck_has_no_rule(team: str) -> None:
    with pytest.raises(ScalecError) as raised:
        derived(BOTTLENECK, team, "width")
    [found] = raised.value.diagnostics
    assert found.notes[: len(TERMS)] == TERMS


@pytest.mark.slow
@pytest.mark.parametrize("team", ["sgd", "adamw"])
def test_a_bottleneck_has_one_where_only_it_looks(team: str) -> None:
    """What is learnt before it may then be as little as it shows there: the rate falls, and not the init."""
    problem, solution = derived(BOTTLENECK.replace("linear(N) act(tanh) ", ""), team, "width")
    assert solution.orders[Lever("moe.up", INIT)] == Order.of({"N": Fraction(-1, 2)})
    for lever in (lever for lever in solution.orders if lever.attribute in (RATE, INIT)):
        assert_sharp(problem, solution, lever, Order.of({"N": Fraction(1, 4)}))


WAITING = """network net {
dims N, L, H = N/64
fixed D = 64, C = 10
input(D) linear(N) residual { norm(layer) attention(heads = H, kv_heads = 2) } readout(C)
}
"""


@pytest.mark.slow
def test_plain_gradients_that_wait_for_each_other() -> None:
    """Few keys for ever more queries: what comes back to each adds up only once the other has learned."""
    with pytest.raises(ScalecError) as raised:
        derived(WAITING, "sgd", "width")
    [found] = raised.value.diagnostics
    assert found.message == "no law reaches `maximal_update` on net under width"
    assert found.notes[0].startswith("normalised gradients have a rule; of plain ones these entries stay below")
    assert "`attention.v`'s gradient entry stays at `N^(-1/2)`, and is `1` there" in found.notes
    assert not any("readout" in note or "`linear`" in note for note in found.notes)
    problem, _ = derived(WAITING, "adamw", "width")
    assert problem.changes == ()


QK = """network net {
dims N, L, H = N/64
fixed D = 64, C = 10
input(D) linear(N) repeat L { residual { norm(layer) attention(heads = H, qk_norm) } } norm(layer) readout(C)
}
"""


@pytest.mark.slow
def test_plain_gradients_of_gains_that_heads_share() -> None:
    _, solution = derived(QK, "sgd", "width + depth")
    rates = {lever.path: order for lever, order in solution.orders.items() if lever.attribute == RATE}
    assert rates["block.attention.q_norm.gain"] == Order.of({"L": 1})


def assert_sharp(problem: Problem, solution: Solution, lever: Lever, factor: Order) -> None:
    changed = {**solution.orders, lever: solution.orders[lever] * factor}
    report = check(problem.program, problem.scaling(changed), problem.regime, DEFAULT)
    assert report.verdict == "fail", f"{lever} times {factor}"


def test_a_lever_that_could_be_larger_is_noticed() -> None:
    problem, solution = derived(
        "network net {\ndims N\nfixed D = 64, C = 10\ninput(D) linear(N) readout(C)\n}\n", "sgd", "width"
    )
    [rate] = [lever for lever in solution.orders if lever.attribute == RATE and "readout" in lever.path]
    low = replace(solution, orders={**solution.orders, rate: solution.orders[rate] * Order.of({"N": -2})})
    with pytest.raises(AssertionError):
        assert_sharp(problem, low, rate, Order.of({"N": 2}))
