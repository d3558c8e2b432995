"""The plan of `jiang_moe` against the table of arXiv:2601.20205, typed from a second-hand copy: powers of ratios."""

from __future__ import annotations

from fractions import Fraction

import pytest

from scalec.operands import Operands
from scalec.pipeline import PlanRequest
from scalec.pipeline import plan as planned
from scalec.resolve.load import load_text
from tests.papers.columns import HALF
from tests.planning import order

# Group -> spread, rate, epsilon: exponents of the ratios of N, Ne (width of one expert) and L (depth).
Power = tuple[Fraction | int, Fraction | int, Fraction | int]
ONE: Power = (0, 0, 0)
TABLE: dict[str, tuple[Power, Power, Power]] = {
    "embed": (ONE, ONE, (-1, 0, 0)),
    "norm.gain": (ONE, ONE, ONE),
    "block.norm.gain": (ONE, ONE, ONE),
    "block.attention.q": ((-HALF, 0, 0), (-1, 0, 0), (-1, 0, -1)),
    "block.attention.o": ((-HALF, 0, 0), (-1, 0, 0), (-1, 0, -1)),
    "block.moe.router": ((-1, 0, 0), (-1, 0, 0), (-1, 0, -1)),
    "block.moe.up": ((-HALF, 0, 0), (-1, 0, 0), (0, -1, -1)),
    "block.moe.down": ((HALF, -1, 0), (0, -1, 0), (1, -2, -1)),
}


@pytest.mark.parametrize("gamma", [Fraction(1), HALF])
def test_laws_are_the_paper_s_powers(gamma: Fraction) -> None:
    base = "base N = 64, Ne = 64, L = 2, M = 4, K = 2"
    text = f"use std.jiang_moe\nrule mine extends jiang_moe(gamma = {gamma}) {{ {base} }}"
    operands = Operands("mine", "moe_gpt", "adam")
    made = planned(load_text(text, "t.scale"), operands, PlanRequest(("N=128,Ne=256,L=6,M=8,K=4",)))
    for tensor, columns in TABLE.items():
        for attribute, power in zip(("init.std", "lr", "eps"), columns, strict=True):
            wanted = (-gamma, 0, 0) if (tensor, attribute) == ("block.moe.router", "init.std") else power
            said = tuple(order(made, f"{tensor}.{attribute}", dimension) for dimension in ("N", "Ne", "L"))
            assert said == wanted or made.tensor[tensor].init.word == "ones", (tensor, attribute)
    assert order(made, "block.moe.combine.scale", "K") == -1
    assert order(made, "block.residual.moe.scale", "L") == -1
