"""Muon's pack where the two sides of a matrix move apart, and what its class is told, as numbers typed by hand."""

from __future__ import annotations

from functools import cache

import pytest

from scalec.operands import Operands
from scalec.pipeline import PlanRequest, plan
from scalec.plan.model import Plan
from scalec.resolve.load import load_text
from tests.papers import muon
from tests.planning import value

TEXT = "use std.muon_mup\nrule mine extends muon_mup { base N = 64, L = 2, F = 128 }"
BASE, WIDE = {"N": 64, "F": 128}, {"N": 256, "F": 2048}
SIDES = {"up": ("N", "F"), "down": ("F", "N")}
RATE, DECAY = 0.02, 0.1  # the anchors of std.optimizers


@cache
def made() -> Plan:
    sizes = tuple(f"N={s['N']},F={s['F']},L=2" for s in (BASE, WIDE))
    return plan(load_text(TEXT, "t.scale"), Operands("mine", "gpt"), PlanRequest(sizes))


def test_hidden_matrices_are_muons_and_the_rest_adamws() -> None:
    owners = {path: t.optimizer for path, t in made().tensor.items()}
    assert {p for p, o in owners.items() if o == "muon"} == {
        *(f"block.attention.{t}" for t in "qkvo"), "block.mlp.up", "block.mlp.down",
    }  # fmt: skip
    assert set(owners.values()) == {"muon", "adamw"}


@pytest.mark.parametrize("tensor", SIDES)
@pytest.mark.parametrize("at", [0, 1])
def test_the_class_is_told_the_rules_rate_without_its_own_factor(tensor: str, at: int) -> None:
    n_in, n_out = SIDES[tensor]
    sizes = (BASE, WIDE)[at]
    ratios = sizes[n_in] / BASE[n_in], sizes[n_out] / BASE[n_out]
    step = RATE * muon.lr(*ratios)
    factor = muon.class_factor(sizes[n_in], sizes[n_out])
    assert value(made(), f"block.mlp.{tensor}.lr", at) == pytest.approx(step / factor)
    assert value(made(), f"block.mlp.{tensor}.wd", at) == pytest.approx(RATE * DECAY / step * factor)
    decay = made().tensor[f"block.mlp.{tensor}"].decay_per_step
    assert decay is not None
    assert made().value(decay, made().sizes[at]) == pytest.approx(RATE * DECAY)
    spread = value(made(), f"block.mlp.{tensor}.init.std", at) * BASE[n_in] ** 0.5
    assert spread == pytest.approx(muon.std(*ratios))
