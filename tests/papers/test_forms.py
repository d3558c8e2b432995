"""The typed tables among themselves: papers, and columns of one paper, that must say the same."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.papers import abcd, spectral
from tests.papers.columns import HALF, Entries, power
from tests.papers.depth import completed_p, completep
from tests.papers.mup_forms import FORMS, entries, theta
from tests.papers.mup_table3 import ADAM_EPS, MUP, TP4B_MUP, in_width

COLUMNS = ("input", "hidden", "output")


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("form", FORMS)
def test_the_forms_are_one_rule_in_three_gauges(form: str, column: str) -> None:
    """Lemma J.1: std over theta, SGD's rate over its square, Adam's over theta."""
    cells, moved = FORMS[form][column], theta(form, column)
    printed = {name: in_width(cell, column) for name, cell in cells.items()}
    table3 = {name: in_width(cell, column) for name, cell in MUP[column].items()}
    assert printed["init_variance"] == table3["init_variance"] - 2 * moved
    assert printed["sgd_lr"] == table3["sgd_lr"] - 2 * moved
    assert printed["adam_lr"] == table3["adam_lr"] - moved


def test_table_8_is_the_later_papers_form() -> None:
    """Def. 2.5.1 of arXiv:2308.01814 has the readout's multiplier."""
    for column in COLUMNS:
        found = entries("mup_table8", "adam", column)
        multiplier, std, lr, eps = (power(-x) for x in TP4B_MUP[column])
        assert (found["scale"], found["init.std"], found["lr"], found["eps"]) == (multiplier, std, lr, eps)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_mean_field_is_mup_in_another_gauge(optimizer: str) -> None:
    """theta is 1 at the input, n^(-1/2) in between, 1/n at the readout: the multipliers that MFP has."""
    for column in COLUMNS:
        at = abcd.COLUMN[column]
        moved = -Fraction(abcd.MFP["a"][at])
        lr = in_width(MUP[column][f"{optimizer}_lr"], column)
        assert -abcd.MFP[f"c {optimizer}"][at] == lr - moved * (2 if optimizer == "sgd" else 1)
        assert -abcd.MFP["b"][at] == in_width(MUP[column]["init_variance"], column) / 2 - moved
        assert -abcd.MFP["d"][at] == ADAM_EPS[column] + moved


def test_one_recalled_mean_field_layer_is_the_ends_of_mfp() -> None:
    ends = {name: (abcd.MFP[key][0], abcd.MFP[key][2]) for name, key in (("a", "a"), ("b", "b"), ("c", "c sgd"))}
    assert ends == abcd.MEAN_FIELD_ONE_LAYER


def test_the_kernel_limit_moves_weights_less_than_full_alignment_allows() -> None:
    """By n^(-1/2) in every layer but the readout: r = 1/2 in arXiv:2308.01814."""
    for optimizer in ("sgd", "adam"):
        less = [Fraction(k) - f for k, f in zip(abcd.NTP[f"c {optimizer}"], abcd.NTK[f"c {optimizer}"], strict=True)]
        assert less == [HALF, HALF, 0]


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_spectral_condition_is_table_3(column: str, optimizer: str) -> None:
    expected = in_width(MUP[column]["init_variance"], column) / 2, in_width(MUP[column][f"{optimizer}_lr"], column)
    found = spectral.entries(optimizer, column)
    assert (found["init.std"], found["lr"]) == tuple(map(power, expected))


def test_the_two_depth_papers_differ_in_the_form_and_in_the_first_epsilon() -> None:
    """Complete(d)P is CompleteP in the gauge of table 3, and has the input's epsilon right."""
    one = Fraction(1)
    ours, theirs = completed_p(one), completep(one)
    assert {c for c in theirs if _common(ours[c], theirs[c])} == {"input", "output"}
    assert ours["input"]["eps"] == power(-1)
    assert theirs["input"]["eps"] == power()
    moved = theirs["output"]["scale"][0]
    assert theirs["output"]["init.std"] == power(ours["output"]["init.std"][0] - moved)
    assert theirs["output"]["lr"] == power(ours["output"]["lr"][0] - moved)


def _common(one: Entries, other: Entries) -> set[str]:
    """What both say, and say differently."""
    return {name for name in one.keys() & other.keys() if one[name] != other[name]}
