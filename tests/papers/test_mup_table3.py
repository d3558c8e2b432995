"""Table 3 against the abcd form of the later paper: two papers, typed apart, must say the same."""

from __future__ import annotations

import pytest

from tests.papers.mup_table3 import ADAM_EPS, MUP, SP, TP4B_MUP, in_width, without_multiplier

COLUMNS = ("input", "output", "hidden")


@pytest.mark.parametrize("column", COLUMNS)
def test_the_two_papers_agree(column: str) -> None:
    _, std, lr, eps = (-x for x in without_multiplier(*TP4B_MUP[column]))
    assert in_width(MUP[column]["init_variance"], column) / 2 == std
    assert in_width(MUP[column]["adam_lr"], column) == lr
    assert ADAM_EPS[column] == eps


def test_the_output_column_is_where_mup_and_sp_part_at_initialisation() -> None:
    parted = [c for c in COLUMNS if MUP[c]["init_variance"] != SP[c]["init_variance"]]
    assert parted == ["output"]
