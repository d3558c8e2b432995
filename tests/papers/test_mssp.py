"""Plans of the packs for experts against the paper's tables: with base sizes 1 the numbers are the paper's own."""

from __future__ import annotations

from functools import cache

import pytest

from scalec.operands import Operands
from scalec.pipeline import PlanRequest
from scalec.pipeline import plan as planned
from scalec.plan.model import Plan
from scalec.resolve.load import load_text
from tests.papers.mssp import LOUDER, MUP, REGIMES, SHARED, VECTORS, ZERO
from tests.planning import value

# Base sizes of 1 turn ratios into raw powers. The pixels are a constant, which no law has; the authors' code has them
# in Adam's rate. Where the experts stay, they are their own base.
TEXT = """
use std.mssp
rule mine extends {rule} {{
  base N = 1, M = {experts}, K = {experts}, Ne = 1
  run {{ lr = 1 }}
  for adam {{ tensor input {{ lr *= 1/fan_in }}  run {{ eps = 1 }} }}
}}
rule loud extends mine {{ tensor readout {{ init = normal;  init.std ~ 1/fan_in }} }}
"""
MSSP = {"fixed_experts": "mssp_fixed", "fine_grained": "mssp_fine", "proportional": "mssp_proportional"}
CASES = [(regime, optimizer) for regime in REGIMES for optimizer in ("sgd", "adam")]
ATTRIBUTES = {"sgd": ("init.std", "lr"), "adam": ("init.std", "lr", "eps")}


@cache
def plan(regime: str, optimizer: str, rule: str, at: int = 1024) -> Plan:
    experts, width = (size(at) for size in REGIMES[regime])
    text = TEXT.format(rule=rule, experts=experts if regime == "fixed_experts" else 1)
    sizes = f"N={at},M={experts:.0f},K={experts:.0f},Ne={width:.0f}"
    return planned(load_text(text, "t.scale"), Operands("loud", "moe_mlp", optimizer), PlanRequest((sizes,)))


def entry(regime: str, tensor: str, attribute: str, optimizer: str, at: int = 1024) -> float:
    row, (experts, width) = MUP[regime][tensor], REGIMES[regime]
    cell = {"init.std": row.std, "lr": row.sgd_lr if optimizer == "sgd" else row.adam_lr, "eps": row.adam_eps}
    return cell[attribute](at, experts(at), width(at))


@pytest.mark.parametrize(("regime", "optimizer"), CASES)
def test_a_plan_with_base_sizes_1_is_the_table(regime: str, optimizer: str) -> None:
    made = plan(regime, optimizer, "moe_mup")
    for tensor in MUP[regime]:
        for attribute in ATTRIBUTES[optimizer]:
            expected = entry(regime, tensor, attribute, optimizer)
            assert value(made, f"{tensor}.{attribute}") == pytest.approx(expected, rel=1e-12), (tensor, attribute)


@pytest.mark.parametrize(("regime", "optimizer"), CASES)
def test_what_the_second_rule_changes(regime: str, optimizer: str) -> None:
    made, before = plan(regime, optimizer, MSSP[regime]), plan(regime, optimizer, "moe_mup")
    experts, width = REGIMES[regime]
    for tensor in MUP[regime]:
        planned_tensor = made.tensor[tensor]
        assert (planned_tensor.init.word == "zero") == (tensor in ZERO[regime])
        assert bool(planned_tensor.shared_axes) == (tensor in SHARED[regime])
        louder = LOUDER[regime].get(tensor)
        if louder is not None:
            expected = louder(1024, experts(1024), width(1024))
            assert value(made, f"{tensor}.init.std") == pytest.approx(expected, rel=1e-12)
        elif tensor not in ZERO[regime]:
            assert value(made, f"{tensor}.init.std") == value(before, f"{tensor}.init.std")
        for attribute in ATTRIBUTES[optimizer][1:]:
            assert value(made, f"{tensor}.{attribute}") == value(before, f"{tensor}.{attribute}")


@pytest.mark.parametrize(("regime", "tensor"), VECTORS)
def test_the_table_meets_its_test_vectors(regime: str, tensor: str) -> None:
    typed = tuple(
        entry(regime, tensor, a, o) for a, o in (("init.std", ""), ("lr", "adam"), ("eps", ""), ("lr", "sgd"))
    )
    assert typed == pytest.approx(VECTORS[regime, tensor], rel=1e-12)


@pytest.mark.parametrize("regime", REGIMES)
def test_sgd_s_rate_is_adam_s_over_epsilon(regime: str) -> None:
    """The invariant that links the columns, in powers: from one width to another."""
    for tensor in MUP[regime]:
        ratios = [
            entry(regime, tensor, "lr", "sgd", at) * entry(regime, tensor, "eps", "", at)
            / entry(regime, tensor, "lr", "adam", at)
            for at in (256, 4096)
        ]  # fmt: skip
        assert ratios[0] == pytest.approx(ratios[1], rel=1e-12), tensor
