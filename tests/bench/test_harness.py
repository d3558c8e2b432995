"""The measuring instrument itself: intervals that cover, ratios of the right things, honest verdicts."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bench import harness
from bench.harness import Comparison, compare, comparison_rows, median_interval


def test_interval_of_fifteen_values_leaves_three_out_on_each_side() -> None:
    # P(at most 3 of 15 below the median) = 576/32768 = 0.0176; with 4 it is 0.0592, more than 5 %.
    assert median_interval(range(15)) == (3, 11)


def test_the_interval_covers_the_median_as_often_as_it_says() -> None:
    draw = random.Random(0)
    inside = 0
    for _ in range(2000):
        low, high = median_interval([draw.expovariate(1.0) for _ in range(25)])
        inside += low <= 0.6931 <= high
    assert 0.90 <= inside / 2000 <= 0.98


def test_too_few_values_hold_no_interval() -> None:
    with pytest.raises(ValueError, match="3 values"):
        median_interval([1.0, 2.0, 3.0])


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        compare("x", int, int, pairs=14)


def test_ratios_are_first_over_second_whoever_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    cost = {"slow": 3.0, "fast": 2.0}

    def slow() -> str:
        return "slow"

    def fast() -> str:
        return "fast"

    def fake(run: object, repeats: int) -> float:
        name = run()  # type: ignore[operator]
        order.append(name)
        return cost[name] * repeats

    monkeypatch.setattr(harness, "seconds", fake)
    comparison = compare("x", slow, fast, pairs=15, repeats=4)
    assert comparison.ratios == (1.5,) * 15
    assert order[:4] == ["slow", "fast", "fast", "slow"]


def test_the_verdict_is_the_intervals() -> None:
    just = Comparison("just", (1.01, *[1.5] * 3, *[1.6] * 11))
    assert not just.reaches(1.02)
    assert "FAILS" in comparison_rows([just], 1.02)[-1]
    assert "holds" in comparison_rows([Comparison("well", (1.0,) * 15)], 1.02)[-1]


def test_results_say_how_they_were_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "RESULTS", tmp_path / "results")
    text = harness.write_results("emitted", "A title", ["a row"], ["pytest"]).read_text("utf-8")
    assert "python -m bench.emitted" in text
    assert f"pytest {pytest.__version__}" in text
    assert text.endswith("a row\n")
