"""Printed formulas mean what `evaluate` says, to the last bit."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalec.symbolic.formula import (
    Formula,
    Symbol,
    add,
    divide,
    evaluate,
    log,
    maximum,
    minimum,
    mul,
    number,
    power,
    symbol,
)
from scalec.symbolic.text import plain, python

N, L = symbol("size", "N"), symbol("size", "L")
M_N, M_L = symbol("ratio", "N"), symbol("ratio", "L")
LR = symbol("run", "lr")
KINDS = ("size", "base", "ratio", "run")

constants = st.fractions(min_value=Fraction(1, 100), max_value=100, max_denominator=100).map(number)
symbols = st.builds(symbol, st.sampled_from(KINDS), st.sampled_from("NLH"))
exponents = st.fractions(min_value=-3, max_value=3, max_denominator=3)
formulas: st.SearchStrategy[Formula] = st.recursive(
    constants | symbols,
    lambda f: st.one_of(
        st.builds(add, f, f),
        st.builds(mul, f, f),
        st.builds(divide, f, f),
        st.builds(power, f, exponents),
        st.builds(minimum, f, f),
        st.builds(maximum, f, f),
        st.builds(lambda x: log(add(x, number(1))), f),
    ),
    max_leaves=8,
)
values = st.fixed_dictionaries(
    {(kind, name): st.floats(min_value=0.01, max_value=1e4) for kind in KINDS for name in "NLH"}
)


def assert_text_agrees(text: str, formula: Formula, value: dict[tuple[str, str], float]) -> None:
    names = {f"{kind}_{name}": number for (kind, name), number in value.items()}
    try:
        expected = evaluate(formula, lambda s: value[s.kind, s.name])
    except (OverflowError, ZeroDivisionError):
        return
    assert eval(text, {"math": math, "min": min, "max": max, **names}) == expected


@pytest.mark.slow
@given(formulas, values)
def test_python_text_is_evaluate_to_the_last_bit(formula: Formula, value: dict[tuple[str, str], float]) -> None:
    assert_text_agrees(python(formula, lambda s: f"{s.kind}_{s.name}"), formula, value)


def test_the_comparison_can_fail() -> None:
    value = {("size", "N"): 3.0}
    with pytest.raises(AssertionError):
        assert_text_agrees("size_N * (1 / 3)", divide(symbol("size", "N"), number(9)), value)


def names(s: Symbol) -> str:
    return {"ratio": "m_", "run": "run.", "base": "BASE_"}.get(s.kind, "config.") + s.name


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (number(1), "1"),
        (number(Fraction(1, 50)), "0.02"),
        (number(Fraction(1, 3)), "1 / 3"),
        (mul(LR, power(M_N, -1)), "run.lr / m_N"),
        (mul(number(Fraction(1, 50)), power(M_N, Fraction(-1, 2))), "0.02 / math.sqrt(m_N)"),
        (power(mul(number(2), M_L), Fraction(-1, 2)), "0.5 * math.sqrt(2) / math.sqrt(m_L)"),
        (power(N, 2), "config.N**2"),
        (power(add(N, number(1)), 2), "(1 + config.N) ** 2"),
        (power(N, Fraction(2, 3)), "config.N ** (2 / 3)"),
        (power(add(N, L), Fraction(1, 2)), "math.sqrt(config.L + config.N)"),
        (add(L, mul(number(-1), N)), "config.L - config.N"),
        (mul(number(-1), power(N, -1)), "-1 / config.N"),
        (minimum(number(1), divide(N, L)), "min(1, config.N / config.L)"),
        (divide(mul(number(10**20), N), number(3)), "1e+20 * config.N / 3"),
    ],
)
def test_python_text(formula: Formula, expected: str) -> None:
    assert python(formula, names) == expected


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (power(M_N, -1), "1/m_N"),
        (power(N, Fraction(1, 2)), "sqrt(N)"),
        (mul(LR, power(M_N, Fraction(-2, 3))), "run.lr/m_N^(2/3)"),
        (divide(number(1), mul(N, L)), "1/(L*N)"),
        (mul(number(4), N), "4*N"),
        (divide(N, number(64)), "N/64"),
        (mul(number(Fraction(3, 64)), N), "3*N/64"),
        (mul(number(Fraction(1, 50)), power(M_N, -1)), "0.02/m_N"),
        (divide(symbol("base", "N"), N), "base.N/N"),
        (log(symbol("layer", "layer")), "log(layer)"),
    ],
)
def test_plain_text(formula: Formula, expected: str) -> None:
    assert plain(formula) == expected
