"""Plans of the packs for experts against the paper's tables: with base sizes 1 the numbers are the paper's own."""

from __future__ import annotations

from functools import cache

import pytest

from scalec.operands import Operands
from scalec.pipeline import PlanRequest
from scalec.pipeline import plan as planned
from scalec.plan.model import Plan
from scalec.resolve.load import load_text
from tests.papers.mssp import LOUDER, MUP, SHARED, TUNED, VECTORS, ZERO, sizes
from tests.planning import value

WIDTH = 1024
# Base sizes of 1 turn ratios into raw powers. What does not grow is a constant, which no law has: the pixels, which the
# authors' code has in Adam's rate, and in each regime what stays.
TEXT = """
use std.mssp
rule mine extends {rule} {{
  base N = 1, M = {M}, K = {M}, Ne = {E}
  run {{ lr = 1 }}
  for adam {{ tensor input {{ lr *= 1/fan_in }}  tensor expert.down {{ lr *= 1/base.Ne }}  run {{ eps = 1 }} }}
  tensor readout {{ init = normal }}
}}
"""
CASES = [(regime, optimizer) for regime in MUP for optimizer in ("sgd", "adam")]
ATTRIBUTES = {"sgd": ("init.std", "lr"), "adam": ("init.std", "lr", "eps")}

# The router's laws have powers of `M/N`, a constant where both grow, and 1 at the authors' base size.
CONSTANTS = {
    **{(regime, "moe.router", "init.std", o): 1 / 4 for regime in ("fine_grained", "proportional") for o in ATTRIBUTES},
    ("proportional", "moe.router", "lr", "sgd"): 1 / 16,
}


@cache
def plan(regime: str, optimizer: str, rule: str) -> Plan:
    at = sizes(regime, WIDTH)
    base = {"M": 8 if regime == "fixed_experts" else 1, "E": 16 if regime == "fine_grained" else 1}
    text = TEXT.format(rule=rule, **base)
    target = f"N={WIDTH},M={at['M']:.0f},K={at['M']:.0f},Ne={at['E']:.0f}"
    return planned(
        load_text(text, "t.scale"), Operands("mine", "moe_mlp", optimizer), PlanRequest((target,), regime=regime)
    )


def entry(regime: str, tensor: str, attribute: str, optimizer: str, width: int = WIDTH) -> float:
    row = MUP[regime][tensor]
    cell = {"init.std": row.std, "lr": row.sgd_lr if optimizer == "sgd" else row.adam_lr, "eps": row.adam_eps}
    return cell[attribute].at(sizes(regime, width))


@pytest.mark.parametrize(("regime", "optimizer"), CASES)
def test_a_plan_with_base_sizes_1_is_the_table(regime: str, optimizer: str) -> None:
    made = plan(regime, optimizer, "moe_mup")
    for tensor in MUP[regime]:
        for attribute in ATTRIBUTES[optimizer]:
            expected = entry(regime, tensor, attribute, optimizer)
            expected *= CONSTANTS.get((regime, tensor, attribute, optimizer), 1)
            assert value(made, f"{tensor}.{attribute}") == pytest.approx(expected, rel=1e-12), (tensor, attribute)


@pytest.mark.parametrize(("regime", "optimizer"), CASES)
def test_what_the_second_rule_changes(regime: str, optimizer: str) -> None:
    made, before = plan(regime, optimizer, "mssp"), plan(regime, optimizer, "moe_mup")
    for tensor in MUP[regime]:
        assert (made.tensor[tensor].init.word == "zero") == (tensor in ZERO[regime])
        assert bool(made.tensor[tensor].shared_axes) == (tensor in SHARED[regime])
        kept = value(before, f"{tensor}.init.std")
        power = LOUDER[regime].get(tensor)
        std = 0 if tensor in ZERO[regime] else kept if power is None else power.at(sizes(regime, WIDTH))
        assert value(made, f"{tensor}.init.std") == pytest.approx(std, rel=1e-12)
        for attribute in ATTRIBUTES[optimizer][1:]:
            assert value(made, f"{tensor}.{attribute}") == value(before, f"{tensor}.{attribute}")


@pytest.mark.parametrize(("regime", "tensor"), VECTORS)
def test_the_table_meets_its_test_vectors(regime: str, tensor: str) -> None:
    columns = (("init.std", "sgd"), ("lr", "adam"), ("eps", "adam"), ("lr", "sgd"))
    typed = [entry(regime, tensor, attribute, optimizer) for attribute, optimizer in columns]
    assert typed == pytest.approx(VECTORS[regime, tensor], rel=1e-5)


@pytest.mark.parametrize("regime", MUP)
def test_sgd_s_rate_is_adam_s_over_epsilon(regime: str) -> None:
    """The invariant that links the columns: in the sizes that grow, so from one width to another."""
    for tensor in MUP[regime]:
        first, second = (
            entry(regime, tensor, "lr", "sgd", at) * entry(regime, tensor, "eps", "adam", at)
            / entry(regime, tensor, "lr", "adam", at)
            for at in (256, 4096)
        )  # fmt: skip
        assert first == pytest.approx(second, rel=1e-12), tensor


@pytest.mark.parametrize("width", [128, 1024])
def test_the_tuned_constants(width: int) -> None:
    """Each tensor's rate is the table's at 0.16, times the tuned factor; every spread is a quarter of the table's."""
    at = sizes("proportional", width)
    target = f"N={width},M={at['M']:.0f},K={at['M']:.0f},Ne={width}"
    text = "use std.mssp\nrule mine extends mssp_tuned for adam { }"
    request = PlanRequest((target,), regime="proportional")
    made = planned(load_text(text, "t.scale"), Operands("mine", "moe_mlp", "adam"), request)
    for tensor, factor in TUNED.items():
        row = MUP["proportional"][tensor]
        assert value(made, f"{tensor}.lr") == pytest.approx(0.16 * factor * row.adam_lr.at(at), rel=1e-12)
        assert value(made, f"{tensor}.eps") == pytest.approx(1e-8 * row.adam_eps.at(at), rel=1e-12)
        std = 0 if tensor == "out" else row.std.at(at) / 4
        assert value(made, f"{tensor}.init.std") == pytest.approx(std, rel=1e-12)
