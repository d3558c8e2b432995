"""Certificates that inequalities have no solution: that they are right, and as small as can be."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalec.symbolic.linear import Row, certificate


def row(*numbers: int) -> Row:
    *left, right = map(Fraction, numbers)
    return left, right


def test_what_has_a_solution_has_no_certificate() -> None:
    assert certificate([]) == ()
    assert certificate([row(1, 2), row(-1, -2)]) == ()
    assert certificate([row(1, 0, 1), row(0, 1, 1), row(-1, -1, -2)]) == ()


def test_a_contradiction_is_told_without_what_has_no_part_in_it() -> None:
    assert certificate([row(1, 5), row(1, 1), row(-1, -2)]) == (1, 2)
    assert certificate([row(1, 0, 1), row(0, 1, 1), row(0, 1, 7), row(-1, -1, -3)]) == (0, 1, 3)
    assert certificate([row(0, -1), row(1, 1)]) == (0,)


def solvable(rows: list[Row]) -> bool:
    """By elimination (Fourier and Motzkin): an independent answer for few small rows."""
    if not rows or not rows[0][0]:
        return all(right >= 0 for _, right in rows)
    flat = [(left[1:], right) for left, right in rows if left[0] == 0]
    above = [([x / left[0] for x in left[1:]], right / left[0]) for left, right in rows if left[0] > 0]
    below = [([x / left[0] for x in left[1:]], right / left[0]) for left, right in rows if left[0] < 0]
    crossed = [([x - y for x, y in zip(a, b, strict=True)], p - q) for a, p in above for b, q in below]
    return solvable([*flat, *crossed])


NUMBERS = st.integers(-3, 3)


@pytest.mark.slow
@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=6))
def test_certificates_are_right_and_minimal(numbers: list[tuple[int, int, int]]) -> None:
    rows = [row(*n) for n in numbers]
    found = [rows[i] for i in certificate(rows)]
    assert bool(found) != solvable(rows)
    if found:
        assert not solvable(found)
        assert all(solvable(list(part)) for part in combinations(found, len(found) - 1))
