"""A small part of `bench/truth.py`: real training of an MLP against the calculus, and that a lie is noticed."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache

import pytest
import torch

from bench.truth import MOE_RATES, Case, Outcome, experiment, report
from scalec.torch.compare import Row, Samples, compare, fit, slope
from scalec.torch.experiment import Experiment
from scalec.torch.explain import UNEXPLAINED, explain
from scalec.torch.measure import measure_terms
from scalec.torch.predict import Prediction
from scalec.torch.terms import Term

pytestmark = pytest.mark.torch

WIDTHS = (64, 128, 512)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@cache
def _trial(rule: str, optimizer: str) -> Experiment:
    return experiment(Case("width", "small_mlp", rule, optimizer, "N", WIDTHS, seeds=5, alone=2), steps=2)


@pytest.mark.parametrize(
    ("rule", "optimizer"),
    [
        ("mup_width", "adam"),
        ("mup_width", "sgd"),
        ("zero_readout", "adam"),
        ("zero_readout", "sgd"),
        ("ntk", "sgd"),
        ("sp_slow", "sgd"),
    ],
)
def test_balanced_rules_train_as_predicted(rule: str, optimizer: str) -> None:
    rows = _trial(rule, optimizer).rows()
    assert len(rows) > 15
    assert [str(row.term) for row in rows if not row.agrees] == []


def test_every_term_of_the_network_is_compared() -> None:
    trial = _trial("mup_width", "sgd")
    assert set(trial.predicted()) <= set(trial.measured())


@pytest.mark.slow
def test_two_optimizers_at_once_train_as_predicted() -> None:
    case = Case("muon", "small_mlp", "muon_width", "muon+adamw", "N", WIDTHS, seeds=5)
    rows = experiment(case, steps=2).rows()
    assert len(rows) > 15
    assert [str(row.term) for row in rows if not row.agrees] == []


@pytest.mark.slow
def test_heads_one_by_one_train_as_predicted() -> None:
    tunes = ("readout.init.std=1/16",)
    case = Case("muon", "tiny_gpt", "muon_heads", "muon+adamw", "N", (64, 256, 512), "L=1", seeds=4, tunes=tunes)
    rows = experiment(case, steps=2).rows()
    assert len(rows) > 50
    assert [str(row.term) for row in rows if not row.agrees] == []


@pytest.mark.slow
def test_dropout_takes_the_same_at_every_step() -> None:
    trial = experiment(Case("width", "dropped_gpt", "mup_width", "adam", "N", (64, 256), "L=1", seeds=1), steps=1)
    run = trial.emitted.build(trial.plan.sizes[0], 0, 0.0)
    batch = trial.data(trial.plan.sizes[0], 0)
    terms = measure_terms(run, batch, steps=1)
    assert terms[Term("readout", "init", 0)] > 0
    assert terms[Term("readout", "propagating", 1)] == 0  # nothing is trained at a rate of 0


@cache
def _experts(rule: str, way: str, optimizer: str = "adam") -> Experiment:
    start = "M=4,Ne=64" if way == "fixed_experts" else "M=4,Ne=32"
    sizes = (64, 128, 256) if way == "fixed_experts" else (32, 64, 256)
    tunes = (f"lr={MOE_RATES[optimizer]}",)
    return experiment(
        Case("moe", "soft_moe", rule, optimizer, "N", sizes, start, seeds=4, tunes=tunes, regime=way), steps=2
    )


@pytest.mark.parametrize(
    ("way", "optimizer"),
    [
        ("fixed_experts", "adam"),
        ("fine_grained", "adam"),
        ("fine_grained", "sgd"),
        ("proportional", "adam"),
    ],
)
def test_experts_train_as_predicted(way: str, optimizer: str) -> None:
    rows = _experts("mssp", way, optimizer).rows()
    assert len(rows) >= 35
    assert any(row.term.kind == "backward effective" for row in rows)
    assert [str(row.term) for row in rows if not row.agrees] == []


def test_what_mup_leaves_behind_is_measured() -> None:
    fine, all_grow = ({r.term: r for r in _experts("moe_mup", way).rows()} for way in ("fine_grained", "proportional"))
    name = "moe.down at moe.out"
    for row, order in (
        (fine[Term(name, "init", 0)], Fraction(-1, 2)),
        (fine[Term(name, "propagating", 2)], Fraction(-1, 2)),
        (fine[Term(name, "effective", 2)], Fraction(0)),
        (fine[Term("moe.down", "backward propagating", 2)], Fraction(-3, 2)),
        (fine[Term("moe.down", "backward effective", 2)], Fraction(-1)),
        (all_grow[Term(name, "init", 0)], Fraction(-1, 2)),
        (all_grow[Term(name, "effective", 2)], Fraction(0)),
    ):
        assert row.predicted == order
        assert row.agrees, str(row.term)


@pytest.mark.slow
def test_side_streams_and_gates_train_as_predicted() -> None:
    trial = experiment(Case("width", "tiny_dit", "mup_width", "adam", "N", (64, 256), "L=1", seeds=2), steps=2)
    rows = [row for row in trial.rows() if "modulate" in row.term.subject and row.term.kind != "gradient"]
    assert len(rows) > 30
    assert [str(row.term) for row in rows if not row.agrees] == []


def test_a_wrong_prediction_is_reported() -> None:
    trial = _trial("mup_width", "adam")
    lie = Term("second", "effective", 2)
    predicted = trial.predicted() | {lie: Fraction(1, 2)}
    wrong = [row for row in compare(predicted, trial.measured(), trial.sizes) if not row.agrees]
    assert [row.term for row in wrong] == [lie]
    case = Case("width", "small_mlp", "mup_width", "adam", "N", WIDTHS)
    outcome = Outcome(case, tuple(wrong), {}, {wrong[0]: UNEXPLAINED}, {}, 0.0)
    text = "\n".join(report([outcome]))
    assert "second effective | 2 | 1/2 | " in text
    assert "0 of 1 terms" in text


def test_a_term_predicted_absent_that_is_there_is_reported() -> None:
    trial = _trial("mup_width", "sgd")
    lie = Term("first", "propagating", 1)
    rows = compare(trial.predicted() | {lie: None}, trial.measured(), trial.sizes)
    assert [row.term for row in rows if not row.agrees] == [lie]


def test_a_term_predicted_that_is_absent_is_reported() -> None:
    trial = _trial("zero_readout", "sgd")
    lie = Term("readout", "init", 0)
    rows = compare(trial.predicted() | {lie: Fraction(0)}, trial.measured(), trial.sizes)
    assert [(row.term, row.fit) for row in rows if not row.agrees] == [(lie, None)]


def test_a_crossover_is_seen_through() -> None:
    trial = _trial("wrong_matrix", "adam")
    row = next(r for r in trial.rows() if r.term == Term("second", "propagating", 1))
    assert not row.agrees
    reason = explain(trial, row)
    assert reason.kind == "crossover"
    assert "`first`" in reason.text


class _Told(Experiment):
    """What it would predict and measure of one term, by the tensors that are trained: an exponent and a factor each."""

    def __init__(self, term: Term, causes: tuple[str, ...], silent: tuple[str, ...], told: dict[str, dict[int, float]]):
        self.term, self.told = term, told
        self._causes, self._silent, self.further = causes, silent, None

    causes = property(lambda self: self._causes)  # type: ignore[assignment]
    silent = property(lambda self: self._silent)  # type: ignore[assignment]
    sizes = property(lambda self: [16.0, 32.0, 64.0])  # type: ignore[assignment]

    def predicted(self, *only: str) -> Prediction:
        return {self.term: Fraction(max(powers), 2)} if (powers := self.told.get(" ".join(only))) else {}

    def measured(self, *only: str, rate: float = 1.0) -> Samples:
        powers = self.told.get(" ".join(only), {})
        return {self.term: [[sum(c * n ** (e / 2) for e, c in powers.items()) for n in self.sizes]]}


def test_a_cause_that_does_nothing_alone_is_asked_for_beside_what_starts_at_zero() -> None:
    term = Term("moe.down", "propagating", 2)
    told = {"": {-1: 1.0, -2: 40.0}, "first out": {-2: 40.0}, "up out": {-1: 1.0}}
    trial = _Told(term, ("first", "up", "out"), ("out",), told)
    (row,) = trial.rows()
    assert (row.predicted, row.agrees) == (Fraction(-1, 2), False)
    reason = explain(trial, row)
    assert reason.kind == "crossover"
    assert reason.text == (
        "of 2 causes beside `out` 2 agree; `first` (order -1) is 10.0 times as large at the smallest size"
    )


def test_many_causes_of_a_lower_order_are_larger_together() -> None:
    term = Term("moe.down", "propagating", 2)
    slowly = {0: 1.0, -4: 100.0}  # alone it is not there yet, and tends to it
    small = {name: {-1: 5.0} for name in ("a", "b", "c")}
    told = {"": {0: 1.0, -1: 15.0, -4: 100.0}, "up": slowly, **small}
    trial = _Told(term, ("up", "a", "b", "c"), (), told)
    (row,) = trial.rows()
    assert not row.agrees
    assert explain(trial, row).text == (
        "of 4 causes alone 3 agree; those of lower orders are together up to 2.7 times `up` at the smallest size"
    )


def test_a_slope_is_that_of_a_power() -> None:
    assert slope([1, 2, 4], [3, 3 / 2**0.5, 1.5]) == pytest.approx(-0.5)
    found = fit([1, 2, 4], [[1, 2, 4], [1, 4, 16], [1, 1, 1]])
    assert found.slope == pytest.approx(1)
    assert found.seeds == pytest.approx((1, 2, 0))
    assert found.local == pytest.approx((1, 1))


def test_nearly_is_not_enough() -> None:
    term = Term("first", "init", 0)
    near, far = (Row(term, Fraction(0), fit([1, 2], [[1, 2**x]])) for x in (0.14, 0.16))
    assert near.agrees
    assert not far.agrees
    assert not replace(near, predicted=None).agrees
