"""From text to formulas: what expressions mean, and what is said of those that mean nothing."""

from __future__ import annotations

import pytest

from scalec.diagnostics import Diagnostic, Reporter, ScalecError
from scalec.source import Source
from scalec.symbolic import formula as f
from scalec.symbolic.evaluate import is_sum, to_formula, to_number
from scalec.symbolic.text import plain
from scalec.syntax.parser import parse_expression
from scalec.syntax.printer import expression_text

SCOPE = {name: f.symbol("size", name) for name in ("fan_in", "fan_out", "N")}


def formula(text: str) -> f.Formula:
    return to_formula(parse_expression(Source("<test>", text)), SCOPE.get, tuple(SCOPE), Reporter())


def mistake(text: str) -> Diagnostic:
    with pytest.raises(ScalecError) as raised:
        formula(text)
    (found,) = raised.value.diagnostics
    return found


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1/sqrt(fan_in)", "1/sqrt(fan_in)"),
        ("fan_out/fan_in*fan_in", "fan_out"),
        ("N^-(1/2)", "1/sqrt(N)"),
        ("(2*N)^2", "4*N^2"),
        ("-N + N", "0"),
        ("N - 1", "-1 + N"),
        ("1e-8", "1e-08"),
        ("0.02*N", "0.02*N"),
        ("log2(8)*N/N", "log(8)/log(2)"),
        ("min(N, fan_in, N)", "min(N, fan_in)"),
        ("max(2, 3)", "3"),
        ("2^(1 - 3/2)", "sqrt(2)/2"),
        ("N^0", "1"),
    ],
)
def test_an_expression_means(text: str, canonical: str) -> None:
    assert formula(text) == formula(canonical)
    assert formula(plain(formula(text))) == formula(text)


@pytest.mark.parametrize(
    ("text", "code", "message", "place"),
    [
        ("1/fanin", "SC301", "`fanin` is no size here", "fanin"),
        ("N^N", "SC301", "an exponent is a rational number", "N"),
        ("N^sqrt(2)", "SC301", "an exponent is a rational number", "sqrt(2)"),
        ("N^(60 + 60)", "SC102", "the exponent `(60 + 60)` is not", "60 + 60"),
        ("N^max(1, 120)", "SC102", "the exponent `120` is not a small rational", "max(1, 120)"),
        ("1/(N - N)", "SC301", "zero is raised to a power that is not positive", "1/(N - N)"),
        ("sqrt(1 - 2)", "SC301", "a root of a negative number", "sqrt(1 - 2)"),
        ("log(0)", "SC301", "the logarithm of a number that is not positive", "log(0)"),
        ("exp(N)", "SC301", "unknown function `exp`", "exp(N)"),
        ("sqrt(N, N)", "SC301", "`sqrt` takes one argument", "sqrt(N, N)"),
        ("min(N)", "SC301", "`min` takes two or more arguments", "min(N)"),
        ("((2^64)^64)^64", "SC301", "a number is too large to be written out", "((2^64)^64)^64"),
    ],
)
def test_a_mistake_is_said_at_its_place(text: str, code: str, message: str, place: str) -> None:
    found = mistake(text)
    assert found.code.id == code
    assert found.message.startswith(message)
    assert found.span is not None
    assert found.span.text.strip("()") == place.strip("()")


def test_an_unknown_name_brings_near_ones_and_what_is_known() -> None:
    found = mistake("1/fan_ni")
    assert found.helps == ("did you mean `fan_in` or `fan_out`?",)
    assert found.notes == ("known here: fan_in, fan_out, N",)
    assert mistake("1/zzz").helps == ()
    assert mistake("sqr(N)").helps == ("did you mean `sqrt`?",)


def test_a_number_is_needed_where_no_size_can_stand() -> None:
    reporter = Reporter()
    assert to_number(parse_expression(Source("<test>", "2^-8 + 1/4")), reporter) == 0.25390625
    for text in ("N", "sqrt(2)"):
        with pytest.raises(ScalecError):
            to_number(parse_expression(Source("<test>", text)), Reporter())


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("1 + N", "1 + N"),
        ("N*(N - 1)", "N - 1"),
        ("sqrt(1 + N)", "1 + N"),
        ("min(N, N + 1)", "N + 1"),
        ("-(N + 1)", "N + 1"),
        ("(N + 1)^2", "N + 1"),
        ("-N", None),
        ("N^(1 - 1/2)", None),
        ("min(N, 2*N)/N", None),
    ],
)
def test_a_sum_is_found_wherever_it_is_but_in_an_exponent(text: str, place: str | None) -> None:
    found = is_sum(parse_expression(Source("<test>", text)))
    assert (expression_text(found) if found else None) == place
