"""What must hold of every derived rule, on networks put together at random from the language's blocks."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalec.check.goals import DEFAULT
from scalec.check.run import check
from scalec.derive.given import problem_of
from scalec.derive.problem import INIT, RATE, Lever, Problem
from scalec.derive.reach import reach
from scalec.derive.solve import Solution
from scalec.diagnostics import Reporter
from scalec.operands import Chooser, Operands
from scalec.pipeline import check_rule
from scalec.resolve.load import load_text
from scalec.source import Source
from scalec.symbolic.order import Order
from scalec.symbolic.regime import resolve_regime
from scalec.syntax.parser import parse_ref, parse_regime

pytestmark = pytest.mark.slow
PACKS = "use std.dims\nuse std.optimizers\nuse std.regimes\n"
SOLID = settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

ACTS = st.sampled_from(["relu", "gelu", "silu", "tanh"])
BRANCHES = st.sampled_from([
    "mlp(width = F, act = relu)", "mlp(width = N, act = gelu)", "attention(heads = H)", "linear(N) act(relu)",
    "linear(F) act(silu) linear(N)",
])  # fmt: skip


@st.composite
def networks(draw: st.DrawFn) -> str:
    """A stack of layers, or a pre-norm residual stream of blocks, between an input and a readout."""
    plain = [f"linear(N) act({draw(ACTS)})" for _ in range(draw(st.integers(0, 2)))]
    branches = [f"residual {{ norm(layer) {b} }}" for b in draw(st.lists(BRANCHES, min_size=1, max_size=2))]
    inner = draw(st.sampled_from([plain, [f"repeat L {{ {' '.join(branches)} }}", "norm(layer)"], branches]))
    body = "\n".join(("input(D)", "linear(N)", *inner, "readout(C)"))
    return f"network net {{\ndims N, L, H = N/64, F = 4*N\nfixed D = 64, C = 10\n{body}\n}}\n"


def derived(text: str, optimizer: str, regime: str) -> tuple[Problem, Solution]:
    workspace = load_text(PACKS + text, "t.scale")
    reporter = Reporter()
    chooser = Chooser(workspace, reporter)
    subject = chooser.subject(None, parse_ref(Source("name", "net")), (optimizer,))
    growth = resolve_regime(workspace, parse_regime(Source("regime", regime)), reporter)
    assert growth is not None
    problem = problem_of(subject.program, subject.rule, subject.optimizers, growth)
    return problem, reach(problem, DEFAULT).solution


OPTIMIZERS = st.sampled_from(["sgd", "adam", "adamw"])


@SOLID
@given(text=networks(), optimizer=OPTIMIZERS, data=st.data())
def test_a_derived_rule_is_right_and_no_rate_or_init_could_be_larger(
    text: str, optimizer: str, data: st.DataObject
) -> None:
    """`reach` gives out only what passes its check; any rate or init times something that grows does not."""
    regime = data.draw(st.sampled_from(["width", "depth"] if "repeat" in text else ["width"]))
    problem, solution = derived(text, optimizer, regime)
    size = problem.regime.growth[0][0]
    levers = [lever for lever in solution.orders if lever.attribute in (RATE, INIT)]
    lever = data.draw(st.sampled_from(levers))
    factor = Order.of({size: data.draw(st.fractions(Fraction(1, 6), 2, max_denominator=6))})
    assert_sharp(problem, solution, lever, factor)


@SOLID
@given(text=networks(), optimizer=OPTIMIZERS, data=st.data())
def test_what_is_written_says_what_was_found(text: str, optimizer: str, data: st.DataObject) -> None:
    """The clauses, read back by the language and planned like any rule's, pass the check."""
    regime = data.draw(st.sampled_from(["width", "depth"] if "repeat" in text else ["width"]))
    rule = f"rule mine = derive {', '.join(DEFAULT)} for {optimizer} on net under {regime}\n"
    workspace = load_text(f"{PACKS}{text}{rule}", "t.scale")
    report = check_rule(workspace, Operands("mine", "net", optimizer), regime)
    assert report.verdict == "pass", [f.diagnostic.message for f in report.findings]


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
