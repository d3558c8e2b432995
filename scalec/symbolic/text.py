"""Printers of formulas. Input: a `Formula`. Output: text for Python, for LaTeX, or in the rule language's spelling.

Invariant: `eval(python(f, name))` is `evaluate(f, value)` to the last bit where each name is bound to
what `value` gives; both walk `layout`. Python text is spaced as `ruff format` leaves it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import assert_never

from scalec.symbolic.formula import Apply, Atom, Formula, Part, Product, Root, Sum, Symbol, decimal, layout

Name = Callable[[Symbol], str]


@dataclass(frozen=True)
class Spelling:
    """How one language writes what the two do not share."""

    name: Name
    number: Callable[[str], str]
    function: Callable[[str], str]
    root: str
    layout: Callable[[Product], tuple[list[Part], list[Part]]]
    times: str
    over: str
    power: Callable[[str, Fraction], str]


def python(formula: Formula, name: Name) -> str:
    """Python text over `math`; `name` says how a symbol is read, `config.N` or `m_N`."""
    return _formula(
        formula,
        Spelling(
            name,
            number=_float_exact,
            function=lambda f: f if f in ("min", "max") else f"math.{f}",
            root="math.sqrt({})",
            layout=layout,
            times=" * ",
            over=" / ",
            power=_python_power,
        ),
    )


def plain(formula: Formula) -> str:
    """The rule language's spelling: `1/m_N`, `4*N`, `sqrt(2)*N^(2/3)`."""
    return _formula(formula, Spelling(_plain_name, str, str, "sqrt({})", _plain_layout, "*", "/", _plain_power))


def latex(formula: Formula) -> str:
    """For math mode: `m_{N}^{-1/2}`. Names are letters, digits and underscores; nothing else needs care."""
    return _formula(
        formula,
        Spelling(
            _latex_name,
            number=_latex_number,
            function=lambda f: f"\\{f}",
            root="\\sqrt{{{}}}",
            layout=_plain_layout,
            times=r" \, ",
            over=" / ",
            power=lambda base, exponent: f"{base}^{{{exponent}}}",
        ),
    )


def _formula(formula: Formula, spelling: Spelling) -> str:
    if not isinstance(formula, Sum):
        return _product(formula, spelling)
    first, *rest = (_product(term, spelling) for term in formula.terms)
    return first + "".join(f" - {t[1:]}" if t.startswith("-") else f" + {t}" for t in rest)


def _product(product: Product, spelling: Spelling) -> str:
    above, below = spelling.layout(product)
    sign = ""
    if above[0] == "-1" and len(above) > 1:
        sign, above = "-", above[1:]
    upper, lower = ([_part(p, spelling) for p in side] for side in (above, below))
    text = sign + spelling.times.join(upper)
    if not lower:
        return text
    denominator = spelling.times.join(lower)
    return text + spelling.over + (denominator if len(lower) == 1 else f"({denominator})")


def _part(part: Part, spelling: Spelling) -> str:
    return spelling.number(part) if isinstance(part, str) else _power(*part, spelling)


def _power(atom: Atom, exponent: Fraction, spelling: Spelling) -> str:
    if exponent == Fraction(1, 2):
        return spelling.root.format(_atom(atom, spelling, bare=True))
    base = _atom(atom, spelling, bare=False)
    return base if exponent == 1 else spelling.power(base, exponent)


def _atom(atom: Atom, spelling: Spelling, *, bare: bool) -> str:
    """`bare`: it stands alone between parentheses, so a sum needs none of its own."""
    match atom:
        case Symbol():
            return spelling.name(atom)
        case Root(value):
            return spelling.number(str(value))
        case Apply(function, arguments):
            inner = ", ".join(_formula(a, spelling) for a in arguments)
            return f"{spelling.function(function)}({inner})"
        case Sum():
            text = _formula(atom, spelling)
            return text if bare else f"({text})"
        case _:
            assert_never(atom)


def _float_exact(text: str) -> str:
    """Integers that a float does not hold are written as the float that `evaluate` makes of them."""
    return text if abs(float(text)) < 2**53 or "e" in text else repr(float(text))


def _python_power(base: str, exponent: Fraction) -> str:
    if exponent.denominator != 1:
        return f"{base} ** ({exponent.numerator} / {exponent.denominator})"
    simple = base.replace(".", "").replace("_", "").isalnum()  # ruff hugs ** between names and numbers
    return f"{base}**{exponent}" if simple else f"{base} ** {exponent}"


_PREFIX = {"size": "", "base": "base.", "ratio": "m_", "run": "run.", "unknown": ""}


def _plain_name(s: Symbol) -> str:
    return "layer" if s.kind == "layer" else _PREFIX[s.kind] + s.name


def _plain_layout(product: Product) -> tuple[list[Part], list[Part]]:
    """As `layout`, but `N/64` is not `0.015625*N`."""
    bottom = product.coefficient.denominator
    if bottom < 8 or bottom & (bottom - 1):
        return layout(product)
    above, below = layout(Product(Fraction(product.coefficient.numerator), product.factors))
    return above, [str(bottom), *below]


def _plain_power(base: str, exponent: Fraction) -> str:
    """Halves and thirds as fractions, what was fitted as decimals: `N^(2/3)`, `tokens^0.307`."""
    if exponent.denominator > 9 and (text := decimal(exponent)):
        return f"{base}^{text}"
    return f"{base}^{exponent}" if exponent.denominator == 1 else f"{base}^({exponent})"


def _latex_name(s: Symbol) -> str:
    if s.kind == "layer":
        return r"\ell"
    words = s.name.replace("_", r"\_")
    name = words if len(s.name) == 1 else rf"\mathit{{{words}}}"
    match s.kind:
        case "ratio":
            return f"m_{{{name}}}"
        case "base":
            return f"{name}_{{0}}"
        case _:
            return name


def _latex_number(text: str) -> str:
    digits, _, exponent = text.partition("e")
    if not exponent:
        return text
    power = f"10^{{{int(exponent)}}}"
    return power if digits == "1" else rf"{digits} \cdot {power}"
