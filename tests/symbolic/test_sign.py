"""Signs of formulas: whatever the sizes are, at sizes, and in the limit; against each other."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalec.diagnostics import Reporter
from scalec.source import Source
from scalec.symbolic import formula as f
from scalec.symbolic.dominance import Cell, UndecidedError
from scalec.symbolic.evaluate import to_formula
from scalec.symbolic.formula import Formula
from scalec.symbolic.order import Order, Regime
from scalec.symbolic.sign import always, at, in_limit
from scalec.syntax.parser import parse_expression

ONE_SCALE = Regime("one", ("s",), (("M", Order.of({"s": 2})), ("N", Order.of({"s": 1}))))
TWO_SCALES = Regime("two", ("s", "t"), (("M", Order.of({"t": 1})), ("N", Order.of({"s": 1}))))


def formula(text: str) -> Formula:
    scope = {name: f.symbol("size", name) for name in ("M", "N", "V")}
    return to_formula(parse_expression(Source("<test>", text)), scope.get, tuple(scope), Reporter())


def at_sizes(text: str, **sizes: int) -> int | None:
    return at(formula(text), lambda s: Fraction(sizes[s.name]))


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("4*N - N", 1), ("N - 4*N", -1), ("N - N", 0), ("N + M", 1), ("-N - M", -1), ("N - M", None), ("N - 1", None),
        ("N*(M + 1)", 1), ("N*(M - 1)", None), ("(M - 1)^2", None), ("sqrt(N)/M", 1),
        ("max(N, M - 1)", 1), ("min(N, M - 1)", None), ("min(N, M)", 1), ("max(N, M) - N", None),
        ("log(2)", 1), ("log(1/2)", -1), ("log(N)", None), ("log(N + 1)", 1),
    ],
)  # fmt: skip
def test_some_signs_hold_whatever_the_sizes_are(text: str, sign: int | None) -> None:
    assert always(formula(text)) == sign


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("N - M", -1), ("N^2 - M", 0), ("N^2 - M + 1", 1), ("sqrt(M) - N", 0), ("sqrt(2)*N - sqrt(3)*N", -1),
        ("N/V - 1", 0), ("log(N) - 1", 1), ("sqrt(N - 4)", None), ("1/(N - 3)", None), ("log(N - 4)", None),
    ],
)  # fmt: skip
def test_at_sizes_a_sign_is_that_of_the_number(text: str, sign: int | None) -> None:
    assert at_sizes(text, N=3, M=9, V=3) == sign


def test_a_size_that_is_not_there_leaves_the_sign_open() -> None:
    assert at_sizes("N - M", N=3) is None


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("N - V", 1), ("V - 7", None), ("M - 1000000*N", 1), ("N^2 - M", None), ("2*N^2 - M", None), ("N + 3 - N", 1),
        ("N + V - N - 2*V", -1), ("min(N, M) - V", 1), ("N - sqrt(M)", None), ("N*(V - M)", -1), ("log(N) - 1", None),
        ("(N - M)^2", 1), ("(M - N)^(1/2) - V", 1), ("1/(N - M)", -1),
    ],
)  # fmt: skip
def test_in_the_limit_the_leading_terms_decide(text: str, sign: int | None) -> None:
    assert in_limit(formula(text), Cell(ONE_SCALE)) == sign


def test_where_two_scales_compete_the_cell_is_split() -> None:
    with pytest.raises(UndecidedError) as tie:
        in_limit(formula("N - M"), Cell(TWO_SCALES))
    grows, falls = Cell(TWO_SCALES).split(tie.value.quotient)
    assert grows is not None
    assert falls is not None
    assert {in_limit(formula("N - M"), grows), in_limit(formula("N - M"), falls)} == {1, -1}


TERMS = st.tuples(st.integers(-4, 4), st.integers(0, 2), st.integers(0, 2))


@pytest.mark.slow
@given(st.lists(TERMS, min_size=1, max_size=4))
def test_the_three_agree(terms: list[tuple[int, int, int]]) -> None:
    """What holds always holds at every size and in the limit, and a limit is reached at large sizes."""
    total = f.add(*(f.mul(f.number(c), f.power(f.symbol("size", "N"), n), f.power(f.symbol("size", "M"), m))
                    for c, n, m in terms))  # fmt: skip
    large: Mapping[str, Fraction] = {"N": Fraction(10) ** 3, "M": Fraction(10) ** 6}
    here, limit = at(total, lambda s: large[s.name]), in_limit(total, Cell(ONE_SCALE))
    assert always(total) in (None, here)
    assert always(total) in (None, limit)
    assert limit in (None, here)
