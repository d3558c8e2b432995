"""The pack for diffusion transformers against the authors' setting: every number, at two widths."""

from __future__ import annotations

import math
from functools import cache

import pytest

from scalec.checking import of_files
from scalec.operands import Operands
from scalec.pipeline import PlanRequest
from scalec.pipeline import plan as planned
from scalec.plan.model import Plan
from scalec.resolve.load import load_text, standard_files
from tests.papers import dit
from tests.planning import value

WIDTHS = (288, 1152)


@cache
def plan() -> Plan:
    return planned(
        load_text("use std.dit_mup", "t.scale"),
        Operands("dit_mup", "dit", "adamw"),
        PlanRequest(tuple(f"N={width},L={dit.DEPTH}" for width in WIDTHS)),
    )


def test_it_names_every_tensor() -> None:
    assert set(plan().tensor) == set(dit.TABLE)


@pytest.mark.parametrize("tensor", dit.TABLE)
@pytest.mark.parametrize("at", range(len(WIDTHS)))
def test_numbers_are_those_of_the_code(tensor: str, at: int) -> None:
    init, rate, multiplier = dit.TABLE[tensor]
    m = WIDTHS[at] / dit.BASE_WIDTH
    fan_in = {"patch": 16, "c.linear": 256, "block.mlp.down": 4 * WIDTHS[at]}.get(tensor, WIDTHS[at])
    std = math.sqrt(2 / fan_in) if init == dit.KAIMING else init
    assert value(plan(), f"{tensor}.init.std", at) == pytest.approx(std, rel=1e-12)
    assert value(plan(), f"{tensor}.scale", at) == pytest.approx(m**multiplier)
    assert value(plan(), f"{tensor}.lr", at) == pytest.approx(dit.RUN["lr"] * m**rate)
    assert value(plan(), f"{tensor}.eps", at) == dit.RUN["eps"]
    assert value(plan(), f"{tensor}.wd", at) == dit.RUN["wd"]


@pytest.mark.parametrize("at", range(len(WIDTHS)))
def test_attention_is_scaled_as_usual_and_heads_are_added(at: int) -> None:
    assert value(plan(), "block.attention.logits.scale", at) == pytest.approx(dit.HEAD_DIM**-0.5)


def test_what_was_not_read_is_marked() -> None:
    assert any("recalled: the gain" in line for line in plan().sources)


@pytest.mark.slow
def test_the_checks_of_the_pack_hold() -> None:
    said = of_files([standard_files()["std.dit_mup"]], "text")
    assert said.holds, said.text
