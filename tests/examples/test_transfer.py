"""The demo's last sentence follows from its table: each verdict from a table made for it."""

from __future__ import annotations

import math

import pytest

from examples.transfer import Curve, Trial, conclusion, curves, trials


def valley(width: int, best: int, depth: float = 2.0) -> Curve:
    return Curve(width, {rate: depth + 0.1 * abs(rate - best) for rate in range(-12, -5)})


STEADY = [valley(64, -8), valley(128, -8), valley(256, -8)]
MOVING = [valley(64, -8), valley(128, -9), valley(256, -10)]


def test_transfer_shows() -> None:
    said = conclusion("mu", "sp", {"mu": STEADY, "sp": MOVING})
    assert said.startswith("Transfer shows")
    assert "sp: best rate 2^-8 -> 2^-9 -> 2^-10" in said
    assert "0.200 above its best" in said


def test_one_step_is_a_move() -> None:
    moved = [*STEADY[:2], valley(256, -9)]
    assert conclusion("mu", "sp", {"mu": moved, "sp": MOVING}).startswith("Transfer did not show")


def test_there_and_back_is_a_move() -> None:
    moved = [STEADY[0], valley(128, -9), STEADY[2]]
    assert conclusion("mu", "sp", {"mu": moved, "sp": MOVING}).startswith("Transfer did not show")


def test_two_steady_rules_are_not_told_apart() -> None:
    assert "does not tell the rules apart" in conclusion("mu", "sp", {"mu": STEADY, "sp": STEADY})


def test_a_best_rate_at_the_edge_is_said() -> None:
    edge = [*MOVING[:2], valley(256, -12)]
    assert conclusion("mu", "sp", {"mu": STEADY, "sp": edge}).endswith("tried: sp at width 256.")
    assert "edge" not in conclusion("mu", "sp", {"mu": STEADY, "sp": MOVING})


def test_the_base_is_trained_once() -> None:
    planned = trials(["mu", "sp"], [64, 128], [-9, -8], [0])
    assert planned[0].width == 128
    assert [t for t in planned if t.width == 64] == [Trial("mu", 64, -9, 0), Trial("mu", 64, -8, 0)]
    assert len(planned) == 6


def test_curves_average_seeds_and_share_the_base() -> None:
    losses = {
        Trial("mu", 64, -8, 0): 3.0,
        Trial("mu", 64, -8, 1): 2.0,
        Trial("mu", 128, -8, 0): 1.0,
        Trial("sp", 128, -8, 0): 5.0,
    }
    assert curves(losses, "sp", "mu") == [Curve(64, {-8: 2.5}), Curve(128, {-8: 5.0})]
    assert curves(losses, "mu", "mu")[1].losses == {-8: 1.0}


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_diverged_seed_is_never_the_best(bad: float) -> None:
    losses = {Trial("mu", 64, -8, 0): bad, Trial("mu", 64, -8, 1): 0.0, Trial("mu", 64, -9, 0): 9.0}
    [curve] = curves(losses, "mu", "mu")
    assert curve.best == -9
