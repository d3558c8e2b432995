"""Networks that the standard packs do not have, planned by the standard rules with no word about them."""

from __future__ import annotations

import pytest

from scalec.plan.model import Plan
from tests.plan.test_select import ATTENTION, MLP
from tests.planning import assert_sound, order, plan_of, value
from tests.program.test_lower import BODIES, network

RULE = "rule mine extends mup { base N = 64, L = 2 }"
AT = ("N=64,L=2", "N=256,L=2", "N=64,L=8")


def planned(name: str, optimizer: str) -> Plan:
    return plan_of(f"{network(BODIES[name])} {RULE}", AT, network="net", optimizer=optimizer)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("name", BODIES)
def test_every_tensor_of_an_unusual_network_is_planned(name: str, optimizer: str) -> None:
    plan = planned(name, optimizer)
    assert_sound(plan.program)
    for planned_tensor in plan.tensors:
        path, shape_class = planned_tensor.tensor.path, planned_tensor.tensor.shape_class
        expected = {"matrix": -1, "output": -1, "input": 0, "vector": 0}[shape_class]
        if optimizer == "sgd":
            expected = {"matrix": 0, "output": -1, "input": 1, "vector": 1}[shape_class]
        assert order(plan, f"{path}.lr") == expected
        assert value(plan, f"{path}.lr", 1) == value(plan, f"{path}.lr", 0) * 4.0**expected
        assert value(plan, f"{path}.lr", 2) == value(plan, f"{path}.lr", 0)


def test_a_rule_of_depth_reaches_both_repeats() -> None:
    rule = RULE.replace("{ ", "{ site residual { scale ~ 1/depth } ")
    plan = plan_of(f"{network(BODIES['two_repeats'])} {rule}", AT, network="net", optimizer="adamw")
    for site in ("wide.residual.mlp", "mixed.residual.attention"):
        assert value(plan, f"{site}.scale", 0) == 1
        assert value(plan, f"{site}.scale", 2) == pytest.approx((3 + 2) / (3 + 8), rel=1e-15)


def test_blocks_are_told_apart_by_their_names() -> None:
    rule = RULE.replace("{ ", "{ tensor * in wide { lr = 7 } tensor * not in repeat { lr = 8 } ")
    plan = plan_of(f"{network(BODIES['two_repeats'])} {rule}", "N=64", network="net", optimizer="adamw")
    assert {path for path in plan.tensor if value(plan, f"{path}.lr") == 7} == {
        "wide.norm.gain", "wide.mlp.up", "wide.mlp.down"
    }  # fmt: skip
    assert {path for path in plan.tensor if value(plan, f"{path}.lr") == 8} == {
        "embed", "position", "norm.gain", "readout"
    }  # fmt: skip


def test_the_same_blocks_are_planned_alike_wherever_they_stand() -> None:
    plans = [planned(name, "adamw") for name in ("parallel", "post_norm")]
    for path in sorted(ATTENTION | MLP):
        assert len({value(plan, f"{path}.lr", 1) for plan in plans}) == 1
