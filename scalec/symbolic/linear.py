"""Linear equations and inequalities over the rationals: their solution, or why there is none. Exact."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

Row = tuple[Sequence[Fraction], Fraction]


def combination(columns: Sequence[Sequence[Fraction]], wanted: Sequence[Fraction]) -> list[Fraction] | None:
    """What to multiply the columns by for their sum to be what is wanted; None if there is nothing, or many things."""
    rows = [[*(column[i] for column in columns), want] for i, want in enumerate(wanted)]
    for k in range(len(columns)):
        pivot = next((r for r in range(k, len(rows)) if rows[r][k]), None)
        if pivot is None:
            return None
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for r, row in enumerate(rows):
            if r != k and row[k]:
                rows[r] = [x - row[k] * y for x, y in zip(row, rows[k], strict=True)]
    if any(row[-1] for row in rows[len(columns) :]):
        return None
    return [row[-1] for row in rows[: len(columns)]]


def certificate(rows: Sequence[Row]) -> tuple[int, ...]:
    """Indices of rows without a solution in common, such that all but any one of them have one; () if all have.

    By Farkas's lemma there is none just if some `y >= 0` has `y . a = 0` and `y . b < 0`; a vertex of those `y`
    with `y . b = -1` takes as few rows as can be. Found by the simplex method, first phase, by Bland's rule.
    """
    if not rows:
        return ()
    columns = [[*left, right] for left, right in rows]
    height, wanted = len(columns[0]), len(rows)
    table = []
    for i in range(height):
        line = [column[i] for column in columns]
        goal = Fraction(-1 if i == height - 1 else 0)
        sign = -1 if goal < 0 else 1
        table.append([*(sign * x for x in line), *(Fraction(int(i == j)) for j in range(height)), sign * goal])
    basis = [wanted + i for i in range(height)]
    while (entering := _entering(table, basis, wanted)) is not None:
        _pivot(table, basis, entering)
    left_over = sum(line[-1] for line, owner in zip(table, basis, strict=True) if owner >= wanted)
    if left_over:
        return ()
    return tuple(sorted(owner for line, owner in zip(table, basis, strict=True) if owner < wanted and line[-1]))


def _entering(table: list[list[Fraction]], basis: list[int], wanted: int) -> int | None:
    """The first row of the problem that still brings the artificial part down."""
    artificial = [line for line, owner in zip(table, basis, strict=True) if owner >= wanted]
    return next((j for j in range(wanted) if j not in basis and sum(line[j] for line in artificial) > 0), None)


def _pivot(table: list[list[Fraction]], basis: list[int], entering: int) -> None:
    ratios = [(line[-1] / line[entering], owner, i) for i, (line, owner) in enumerate(zip(table, basis, strict=True))
              if line[entering] > 0]  # fmt: skip
    _, _, leaving = min(ratios)
    pivot = table[leaving][entering]
    table[leaving] = [x / pivot for x in table[leaving]]
    for i, line in enumerate(table):
        if i != leaving and line[entering]:
            factor = line[entering]
            table[i] = [x - factor * y for x, y in zip(line, table[leaving], strict=True)]
    basis[leaving] = entering
