"""GQA-muP's table, typed by hand from the facts about the authors' released code, and the pack against it.

arXiv:2605.15290, dictionary `gqa_mup` of the code that accompanies it (the paper itself was not read). With `m` the
width ratio and `r` the queries to a key:

    group          std      Adam's lr           decay (torch)     multiplier
    embedding      1        1                   0                 1
    q, o, mlp      m^-1/2   1/m                 m                 1
    k, v           m^-1/2   (1 + sqrt r)/(2m)   2m/(1 + sqrt r)   1
    readout        1        1                   1                 1/m
    norms          -        1                   0                 -
    attention 1/d_head, residual 1/L, epsilon unscaled
"""

from __future__ import annotations

from functools import cache
from math import sqrt

import pytest

from scalec.operands import Operands
from scalec.pipeline import PlanRequest
from scalec.pipeline import plan as planned
from scalec.plan.model import Plan
from scalec.resolve.load import load_text
from tests.planning import value

GROUPS = {
    "embed": "embedding", "readout": "readout", "norm.gain": "norm", "block.norm.gain": "norm",
    "block.norm2.gain": "norm", "block.attention.q": "hidden", "block.attention.o": "hidden",
    "block.mlp.up": "hidden", "block.mlp.gate": "hidden", "block.mlp.down": "hidden",
    "block.attention.k": "key", "block.attention.v": "key",
}  # fmt: skip
BASE, RATIOS = 256, (1, 2, 8)
QUERIES = (1, 4, 16)  # to a key
LR, WD, STD = 1e-3, 0.01, 1 / 16  # adamw's defaults, and sp's 1/sqrt(fan_in) at the base


def of_table(group: str, m: float, r: float) -> dict[str, float]:
    """The table's line, times the values that are tuned at the base."""
    std, lr, wd, scale = {
        "embedding": (1.0, 1.0, 0.0, 1.0),
        "hidden": (STD * m**-0.5, 1 / m, m, 1.0),
        "key": (STD * m**-0.5, (1 + sqrt(r)) / (2 * m), 2 * m / (1 + sqrt(r)), 1.0),
        "readout": (STD, 1.0, 1.0, 1 / m),
        "norm": (0.0, 1.0, 0.0, 1.0),
    }[group]
    return {"init.std": std, "lr": LR * lr, "wd": WD * wd, "scale": scale, "eps": 1e-8}


@cache
def plan() -> Plan:
    """At every ratio of widths and every number of queries to a key; heads of 16 coordinates."""
    text = f"use std.gqa_mup\nrule mine extends gqa_mup {{ base N = {BASE}, L = 2, H = 16, Hkv = 4, F = 256 }}"
    at = [f"N={BASE * m},L={2 * m},H={16 * m},Hkv={16 * m // r},F={BASE * m}" for m in RATIOS for r in QUERIES]
    return planned(load_text(text, "t.scale"), Operands("mine", "llama", "adamw"), PlanRequest(tuple(at)))


PLACES = [(i * len(QUERIES) + j, m, r) for i, m in enumerate(RATIOS) for j, r in enumerate(QUERIES)]


@pytest.mark.parametrize("tensor", GROUPS)
def test_every_value_is_the_table_s(tensor: str) -> None:
    for at, m, r in PLACES:
        expected = of_table(GROUPS[tensor], m, r)
        assert {name: value(plan(), f"{tensor}.{name}", at) for name in expected} == pytest.approx(expected, rel=1e-12)


def test_the_table_covers_the_network() -> None:
    assert set(GROUPS) == set(plan().tensor)


@pytest.mark.parametrize("branch", ["attention", "mlp"])
def test_branches_are_divided_by_the_depth_itself(branch: str) -> None:
    for at, m, _ in PLACES:
        assert value(plan(), f"block.residual.{branch}.scale", at) == pytest.approx(1 / (2 * m))


def test_a_plan_says_that_the_paper_was_not_read() -> None:
    assert any("the paper itself was not read" in source for source in plan().sources)
