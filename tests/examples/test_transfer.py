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
    assert "sp: best rate 2^-8.0, 2^-9.0, 2^-10.0 at widths 64, 128, 256" in said
    assert "gives 2.200 at width 256, 0.200 above the best there" in said


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
    said = conclusion("mu", "sp", {"mu": STEADY, "sp": edge})
    assert said.startswith("Transfer shows")
    assert said.endswith("tried: sp at width 256.")
    assert "edge" not in conclusion("mu", "sp", {"mu": STEADY, "sp": MOVING})


def test_nothing_is_claimed_when_the_steady_rule_is_at_the_edge() -> None:
    at_edge = [valley(width, -6) for width in (64, 128, 256)]
    assert "do not enclose" in conclusion("mu", "sp", {"mu": at_edge, "sp": MOVING})


def test_the_optimum_is_the_vertex_of_a_parabola() -> None:
    curve = Curve(64, {rate: (rate + 7.3) ** 2 for rate in range(-12, -5)})
    assert curve.best == -7
    assert curve.optimum == pytest.approx(-7.3)
    wider = Curve(64, {rate: (rate + 7.3) ** 2 for rate in range(-12, -2, 2)})
    assert wider.optimum == pytest.approx(-7.3)


def test_a_near_tie_is_no_move() -> None:
    """The best of the rates tried changes, the optimum hardly does."""
    base = Curve(64, {-9: 2.6, -8: 2.5, -7: 2.39, -6: 2.40, -5: 2.6})
    wide = Curve(128, {-9: 2.6, -8: 2.5, -7: 2.30, -6: 2.29, -5: 2.5})
    assert (base.best, wide.best) == (-7, -6)
    assert abs(wide.optimum - base.optimum) < 0.2


def test_beside_a_diverged_run_the_optimum_is_the_best_tried() -> None:
    assert Curve(64, {-9: 2.0, -8: 1.0, -7: math.inf}).optimum == -8


def test_the_base_is_trained_once() -> None:
    planned = trials(["mu", "sp"], [64, 128], [-9, -8], [0])
    assert planned[0].size == 128
    assert [t for t in planned if t.size == 64] == [Trial("mu", 64, -9, 0), Trial("mu", 64, -8, 0)]
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
