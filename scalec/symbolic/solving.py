"""The two forms of equations that are solved. Input: formulas over unknowns, each to be 1. Output: the unknowns.

The one module that imports sympy, and only when something is to be solved. Every symbol is positive. Equations
that are products of powers of the unknowns are linear in logarithms and are solved together; one equation of another
form is solved where it is a polynomial in a power of its unknown whose roots are roots of quadratics at most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, lcm
from typing import TYPE_CHECKING, Any

from scalec.symbolic import formula as f
from scalec.symbolic.formula import UNIT, Apply, Atom, Formula, Product, Sum, Symbol
from scalec.symbolic.text import plain

if TYPE_CHECKING:
    import sympy  # type: ignore[import-untyped]

HIGHEST = 4  # degree of an equation, in a root of its unknown that makes it a polynomial: more is not even expanded
LONGEST = 12  # products that it may expand to
Solution = Mapping[Symbol, Formula]


class NoClosedFormError(Exception):
    """Beyond what is looked for, and why; it says nothing of whether there is a solution."""


@dataclass(frozen=True)
class Solutions:
    """`found`: every solution. `free`: unknowns that any value will do for, where there is a solution at all."""

    found: tuple[Solution, ...]
    free: tuple[Symbol, ...] = ()


def is_power_product(formula: Formula, unknowns: Sequence[Symbol]) -> bool:
    if isinstance(formula, Sum):
        return not has(formula, unknowns)
    return not any(has(_of_atom(atom), unknowns) for atom, _ in formula.factors if not isinstance(atom, Symbol))


def has(formula: Formula, unknowns: Sequence[Symbol]) -> bool:
    return any(s in unknowns for s in f.symbols(formula))


def _of_atom(atom: Atom) -> Formula:
    return atom if isinstance(atom, Sum) else Product(Fraction(1), ((atom, Fraction(1)),))


# ---- products of powers ------------------------------------------------------------------------
def linear(equations: Sequence[Formula], unknowns: Sequence[Symbol]) -> Solutions:
    """In logarithms: what is known is a vector over the logarithms of its factors."""
    import sympy

    world = _World(unknowns)
    logs = {name: sympy.Symbol(f"log_{name}", real=True) for name in (*world.of_unknowns(), *world.take(equations))}
    rows = [sum(e * logs[world.of(part)] for part, e in _parts(equation)) for equation in equations]
    wanted = [logs[world.of(_of_atom(u))] for u in unknowns]
    found = list(sympy.linsolve(rows, wanted))
    if not found:
        return Solutions(())
    free = tuple(u for u, log in zip(unknowns, wanted, strict=True) if any(log in s.free_symbols for s in found[0]))
    back = {log: world.known[name] for name, log in logs.items() if name in world.known}
    solution = {u: _exponential(s, back) for u, s in zip(unknowns, found[0], strict=True)} if not free else {}
    return Solutions((solution,) if solution else (), free)


def _parts(formula: Formula) -> list[tuple[Formula, sympy.Rational]]:
    """Factors that logarithms are taken of, and their exponents; the number in front is a factor too."""
    import sympy

    if isinstance(formula, Sum):
        return [(formula, sympy.Integer(1))]
    powers = [(_of_atom(a), sympy.Rational(e.numerator, e.denominator)) for a, e in formula.factors]
    return powers if formula.coefficient == 1 else [(f.number(formula.coefficient), sympy.Integer(1)), *powers]


def _exponential(expression: Any, back: Mapping[Any, Formula]) -> Formula:
    terms = expression.as_coefficients_dict().items()
    return f.mul(UNIT, *(f.power(back[log], Fraction(int(e.p), int(e.q))) for log, e in terms if e))


class _World:
    """What is known, each thing under a name of its own: what no unknown stands in is not looked into."""

    def __init__(self, unknowns: Sequence[Symbol]) -> None:
        self.unknowns = tuple(unknowns)
        self.names: dict[Formula, str] = {_of_atom(u): f"x{i}" for i, u in enumerate(unknowns)}
        self.known: dict[str, Formula] = {}

    def of_unknowns(self) -> list[str]:
        return list(self.names.values())

    def of(self, formula: Formula) -> str:
        if formula not in self.names:
            self.names[formula] = f"a{len(self.known)}"
            self.known[self.names[formula]] = formula
        return self.names[formula]

    def take(self, equations: Sequence[Formula]) -> list[str]:
        for equation in equations:
            for part, _ in _parts(equation):
                self.of(part)
        return list(self.known)


# ---- one equation of another form --------------------------------------------------------------
def polynomial(equation: Formula, unknown: Symbol) -> Solutions:
    """Every value of the unknown at which the equation is 1, by the other symbols. Raises NoClosedFormError."""
    degree = lcm(*(e.denominator for e in _exponents(equation, unknown)))
    above, below = _fraction(equation, unknown)
    highest, length = degree * max(above.degree, below.degree), above.length + below.length
    if highest > HIGHEST:
        raise NoClosedFormError(f"of degree {highest} in a root of `{unknown.name}`; up to {HIGHEST} is looked at")
    if length > LONGEST:
        raise NoClosedFormError(f"{length} products once multiplied out; up to {LONGEST} are looked at")
    import sympy

    world = _World((unknown,))
    root = sympy.Symbol("t", positive=True)
    expression = _to_sympy(equation, unknown, root**degree, world)
    zero, _ = sympy.fraction(sympy.together(expression - 1))
    if root not in zero.free_symbols:
        return Solutions((), () if sympy.expand(zero) != 0 else (unknown,))
    try:
        whole = sympy.Poly(sympy.expand(zero), root)
    except sympy.PolynomialError:
        raise NoClosedFormError(f"no polynomial in a root of `{unknown.name}`") from None
    if root in whole.free_symbols_in_domain:
        raise NoClosedFormError(f"no polynomial in a root of `{unknown.name}`")
    roots = sympy.roots(whole, cubics=False, quartics=False)
    if sum(roots.values()) < whole.degree():
        raise NoClosedFormError(f"`{unknown.name}` is no root of a quadratic there")
    positive = [r for r in roots if r.is_positive is not False and r.is_real is not False]
    found = {plain(value): value for r in positive for value in [f.power(_from_sympy(r, world), degree)]}
    return Solutions(tuple({unknown: found[text]} for text in sorted(found)))


def _exponents(formula: Formula, unknown: Symbol) -> list[Fraction]:
    """Every power that the unknown, or a sum with it, stands under."""
    found: list[Fraction] = []
    for product in formula.terms if isinstance(formula, Sum) else (formula,):
        for atom, exponent in product.factors:
            if atom == unknown:
                found.append(exponent)
            elif isinstance(atom, Sum) and has(atom, (unknown,)):
                found += _exponents(atom, unknown)
    return found


@dataclass(frozen=True)
class _Extent:
    """At most of this degree in the unknown, and of so many products, once expanded."""

    degree: Fraction = Fraction(0)
    length: int = 1

    def __mul__(self, other: _Extent) -> _Extent:
        return _Extent(self.degree + other.degree, self.length * other.length)

    def __add__(self, other: _Extent) -> _Extent:
        return _Extent(max(self.degree, other.degree), self.length + other.length)

    def __pow__(self, exponent: Fraction) -> _Extent:
        return _Extent(self.degree * exponent, self.length ** ceil(exponent))


def _fraction(formula: Formula, unknown: Symbol) -> tuple[_Extent, _Extent]:
    """What is above and below, once what the formula divides by is multiplied out."""
    above, below = _Extent(), _Extent()
    if isinstance(formula, Sum):
        known, others = _split(formula, unknown)
        first, *rest = [_fraction(term, unknown) for term in others] + [(above, below)] * (known is not None)
        above, below = first
        for more, under in rest:
            above, below = above * under + more * below, below * under
        return above, below
    for atom, e in formula.factors:
        inner = _of_atom(atom)
        if not has(inner, (unknown,)):
            continue
        over, under = (_Extent(Fraction(1)), _Extent()) if not isinstance(atom, Sum) else _fraction(inner, unknown)
        over, under = (over, under) if e > 0 else (under, over)
        above, below = above * over ** abs(e), below * under ** abs(e)
    return above, below


def _split(formula: Sum, unknown: Symbol) -> tuple[Formula | None, list[Product]]:
    """What the unknown does not stand in, which needs no expanding, and the rest."""
    known = [term for term in formula.terms if not has(term, (unknown,))]
    return f.add(*known) if known else None, [term for term in formula.terms if has(term, (unknown,))]


def _to_sympy(formula: Formula, unknown: Symbol, value: Any, world: _World) -> Any:
    import sympy

    def named(part: Formula) -> Any:
        return sympy.Symbol(world.of(part), positive=True)

    if not has(formula, (unknown,)) and not isinstance(formula, Product):
        return named(formula)
    if isinstance(formula, Sum):
        known, others = _split(formula, unknown)
        terms = others if known is None else [known, *others]
        return sympy.Add(*(_to_sympy(t, unknown, value, world) for t in terms))
    result = sympy.Rational(formula.coefficient.numerator, formula.coefficient.denominator)
    for atom, e in formula.factors:
        inner = _of_atom(atom)
        if atom == unknown:
            base = value
        elif isinstance(atom, Apply) and has(inner, (unknown,)):
            raise NoClosedFormError(f"`{unknown.name}` stands inside of a `{atom.function}`")
        else:
            base = _to_sympy(inner, unknown, value, world) if has(inner, (unknown,)) else named(inner)
        result *= base ** sympy.Rational(e.numerator, e.denominator)
    return result


def _from_sympy(expression: Any, world: _World) -> Formula:
    import sympy

    match expression:
        case sympy.Rational():
            return f.number(Fraction(int(expression.p), int(expression.q)))
        case sympy.Symbol():
            return world.known[expression.name]
        case sympy.Add():
            return f.add(*(_from_sympy(a, world) for a in expression.args))
        case sympy.Mul():
            return f.mul(*(_from_sympy(a, world) for a in expression.args))
        case sympy.Pow(exp=sympy.Rational() as e):
            return f.power(_from_sympy(expression.base, world), Fraction(int(e.p), int(e.q)))
        case _:
            raise NoClosedFormError("a root that is no formula of sizes")
