"""Complete(d)P's column for batch and tokens against the table of arXiv:2512.22382, typed by hand.

Table 1, its last column, read in an image of the paper's table: what each row is multiplied by.
"""

from __future__ import annotations

from math import sqrt

import pytest

from scalec.operands import Operands
from scalec.pipeline import PlanRequest, plan
from scalec.plan.model import Plan
from scalec.resolve.load import load_standard
from tests.planning import value

BATCH, TOKENS = 4, 36  # times the base's
TABLE = {
    "lr": sqrt(BATCH / TOKENS),
    "eps": sqrt(TOKENS / BATCH),
    "wd": sqrt(BATCH / TOKENS),
    "1 - beta": BATCH / TOKENS,
}
TENSORS = ("embed", "block.attention.q", "block.mlp.down", "block.norm.gain", "norm.gain", "readout")


def planned(rule: str, sizes: str) -> Plan:
    base = "N=64,L=2" + (",batch=512,tokens=1000000" if rule.endswith("run") else "")
    return plan(load_standard(), Operands(rule, "gpt", "adamw"), PlanRequest((f"N=256,L=8{sizes}",), base))


@pytest.fixture(scope="module")
def plans() -> tuple[Plan, Plan]:
    return planned("completed_p", ""), planned("completed_p_run", f",batch={512 * BATCH},tokens={1000000 * TOKENS}")


@pytest.mark.parametrize("path", TENSORS)
@pytest.mark.parametrize("attribute", ["lr", "eps", "wd"])
def test_every_row_has_the_columns_factor(path: str, attribute: str, plans: tuple[Plan, Plan]) -> None:
    without, with_run = (value(made, f"{path}.{attribute}") for made in plans)
    assert with_run / without == pytest.approx(TABLE[attribute], rel=1e-12)


@pytest.mark.parametrize("beta", ["beta1", "beta2"])
def test_what_betas_lack_to_one_has_its_factor(beta: str, plans: tuple[Plan, Plan]) -> None:
    without, with_run = (1 - value(made, f"run.{beta}") for made in plans)
    assert with_run / without == pytest.approx(TABLE["1 - beta"], rel=1e-9)


def test_at_the_bases_batch_and_tokens_it_is_the_rule_without(plans: tuple[Plan, Plan]) -> None:
    same = planned("completed_p_run", "")
    for path in TENSORS:
        for attribute in ("lr", "eps", "wd", "init.std"):
            assert value(same, f"{path}.{attribute}") == value(plans[0], f"{path}.{attribute}")
