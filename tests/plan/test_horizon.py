"""Sizes of the run: a rule that reads `batch` or `tokens` has them beside the network's own."""

from __future__ import annotations

import pytest

from scalec.operands import Operands
from scalec.pipeline import PlanRequest, plan
from scalec.plan.demands import unmet
from scalec.plan.model import Plan
from tests.planning import plan_of, said, value, workspace

RULE = """
rule mine extends mup {
  base N = 64, tokens = 1e6, batch = 1024
  tensor * { lr *~ sqrt(batch/tokens) }
  run { 1 - beta1 ~ batch/tokens }
}
"""


def lr(at: str, text: str = RULE) -> float:
    return value(plan_of(text, at), "input.lr") / 1e-3


@pytest.mark.parametrize(
    ("at", "factor"),
    [
        ("N=64", 1),
        ("N=128", 1),
        ("N=64,tokens=4e6", 1 / 2),
        ("N=64,batch=256", 1 / 2),
        ("N=64,tokens=4e6,batch=4096", 1),
    ],
)
def test_a_law_moves_with_them(at: str, factor: float) -> None:
    assert lr(at) == pytest.approx(factor)


def test_they_are_sizes_like_others() -> None:
    made = plan_of(RULE, "N=64,tokens=4e6")
    assert [d.name for d in made.program.dimensions] == ["N", "D", "C", "batch", "tokens"]
    assert made.sizes[0]["tokens"] == 4_000_000
    assert value(made, "run.beta1") == pytest.approx(1 - 0.1 / 4)


def test_a_rule_that_does_not_read_them_has_none() -> None:
    text = "rule mine extends mup { base N = 64 }"
    assert [d.name for d in plan_of(text, "N=64").program.dimensions] == ["N", "D", "C"]
    assert said(lambda: plan_of(text, "N=64,tokens=3")) == ["SC304 network `mlp` has no dimension `tokens`"]


def test_a_law_over_them_needs_a_base() -> None:
    text = "rule mine extends mup { base N = 64  tensor * { lr *~ 1/tokens } }"
    assert [m[:5] for m in said(lambda: plan_of(text, "N=64,tokens=3"))] == ["SC303"]


def test_what_the_rule_says_of_the_run_is_no_size() -> None:
    text = "rule mine extends mup { base N = 64  run { batch = 32 }  require batch = 32 }"
    assert [d.name for d in plan_of(text, "N=64").program.dimensions] == ["N", "D", "C"]


def test_a_demand_reads_them_where_they_are_given() -> None:
    def warned(at: str) -> list[str]:
        text = "rule mine extends mup { base N = 64  valid 1 <= tokens/params <= 20 }"
        made: Plan = plan(workspace(text), Operands("mine", "mlp", "adam"), PlanRequest((at,)))
        return [d.message.rpartition("`")[2].strip() for d in unmet(made, "valid")]

    assert warned("N=64") == ["is open"]
    assert warned("N=64,tokens=20000") == []
    assert warned("N=64,tokens=20")[0].startswith("does not hold")
