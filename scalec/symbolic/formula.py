"""Formulas: exact, canonical, positive expressions in sizes. Input: constructors. Output: frozen trees.

A `Formula` is a sum of products of powers; `min`, `max` and `log` are opaque factors. Every size is
positive, so powers of products distribute and `N/N` is 1. Coefficients and exponents are
Fractions; floats appear in `evaluate` and in printed text alone, which do the same operations in
the same order: what a plan says and what emitted code computes agree to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache, reduce
from typing import Literal

SymbolKind = Literal["size", "base", "ratio", "run", "layer", "unknown"]


@dataclass(frozen=True, order=True)
class Symbol:
    """A positive quantity.

    `size` a dimension at the target, `base` the same at the base size, `ratio` target over base
    (the papers' `m_N`), `run` a run-level quantity (`run.lr`), `layer` the index of a block, `unknown` what an
    equation is solved for.
    """

    kind: SymbolKind
    name: str


@dataclass(frozen=True)
class Root:
    """A positive integer without square factors known, under a fractional power: the 2 of `sqrt(2)`."""

    value: int


@dataclass(frozen=True)
class Apply:
    """`min`, `max` (two or more arguments, sorted, distinct) or `log` (natural, one argument)."""

    function: Literal["min", "max", "log"]
    arguments: tuple[Formula, ...]


@dataclass(frozen=True)
class Product:
    """`coefficient * atom^exponent * ...`; factors sorted, exponents nonzero."""

    coefficient: Fraction
    factors: tuple[tuple[Atom, Fraction], ...] = ()

    @cached_property
    def key(self) -> tuple[object, ...]:
        return tuple((_atom_key(a), e) for a, e in self.factors)

    @cached_property
    def _hash(self) -> int:
        return hash((self.coefficient, self.factors))

    def __hash__(self) -> int:  # asked for often, and Fractions hash and compare slowly
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other or not isinstance(other, Product):
            return self is other
        return self._hash == other._hash and (self.coefficient, self.factors) == (other.coefficient, other.factors)


@dataclass(frozen=True)
class Sum:
    """Two or more products that differ in more than their coefficient, sorted."""

    terms: tuple[Product, ...]


Atom = Symbol | Root | Apply | Sum
Formula = Product | Sum


CACHED = 4096  # a network says the same few sizes again and again
MAX_BITS = 1000  # of the numerator and of the denominator of a number: a float holds either


class FormulaError(ValueError):
    """The operation has no exact positive meaning: division by zero, root of a negative number."""


ONCE = Fraction(1)
ZERO = Product(Fraction(0))
UNIT = Product(ONCE)


def number(value: Fraction | int) -> Product:
    return UNIT if value == 1 else Product(_bounded(Fraction(value)))


@lru_cache(CACHED)
def symbol(kind: SymbolKind, name: str) -> Product:
    return Product(ONCE, ((Symbol(kind, name), ONCE),))


def add(*terms: Formula) -> Formula:
    """Sum in canonical form: like terms are collected."""
    total: dict[tuple[tuple[Atom, Fraction], ...], Fraction] = {}
    for term in terms:
        for product in term.terms if isinstance(term, Sum) else (term,):
            total[product.factors] = total.get(product.factors, Fraction(0)) + product.coefficient
    left = sorted((Product(_bounded(c), f) for f, c in total.items() if c), key=lambda p: p.key)
    if len(left) > 1:
        return Sum(tuple(left))
    return left[0] if left else ZERO


def subtract(left: Formula, right: Formula) -> Formula:
    """The difference, term by term: of equal sums nothing is left."""
    terms = right.terms if isinstance(right, Sum) else (right,)
    return add(left, *(Product(-term.coefficient, term.factors) for term in terms))


@lru_cache(CACHED)
def mul(*factors: Formula) -> Formula:
    """Product in canonical form. A sum is one factor; it is not multiplied out."""
    coefficient = Fraction(1)
    powers: dict[Atom, Fraction] = {}
    for factor in factors:
        if isinstance(factor, Sum):
            powers[factor] = powers.get(factor, Fraction(0)) + 1
            continue
        coefficient *= factor.coefficient
        for atom, exponent in factor.factors:
            powers[atom] = powers.get(atom, Fraction(0)) + exponent
    return _product(coefficient, powers)


@lru_cache(CACHED)
def power(base: Formula, exponent: Fraction | int) -> Formula:
    """`base^exponent`; a root of a number stays exact (`sqrt(8)` is `2*sqrt(2)`)."""
    exponent = Fraction(exponent)
    if isinstance(base, Sum):
        return _product(Fraction(1), {base: exponent})
    if base.coefficient == 0:
        if exponent <= 0:
            raise FormulaError("zero is raised to a power that is not positive")
        return ZERO
    coefficient, roots = _number_power(base.coefficient, exponent)
    powers = {atom: e * exponent for atom, e in base.factors}
    return mul(_product(coefficient, roots), _product(Fraction(1), powers))


def divide(left: Formula, right: Formula) -> Formula:
    return mul(left, power(right, -1))


def minimum(*arguments: Formula) -> Formula:
    return _extreme("min", arguments)


def maximum(*arguments: Formula) -> Formula:
    return _extreme("max", arguments)


def log(argument: Formula) -> Formula:
    if isinstance(argument, Product) and not argument.factors:
        if argument.coefficient <= 0:
            raise FormulaError("the logarithm of a number that is not positive")
        if argument.coefficient == 1:
            return ZERO
    return Product(Fraction(1), ((Apply("log", (argument,)), Fraction(1)),))


def as_number(formula: Formula) -> Fraction | None:
    """The exact value of a constant rational formula, else None."""
    return formula.coefficient if isinstance(formula, Product) and not formula.factors else None


@lru_cache(CACHED)
def symbols(formula: Formula) -> tuple[Symbol, ...]:
    """The symbols that occur, sorted."""
    return tuple(sorted(set(_walk(formula))))


def substitute(formula: Formula, replace: Callable[[Symbol], Formula | None]) -> Formula:
    """Replace symbols; `replace` gives None to keep one."""

    def atom(value: Atom) -> Formula:
        match value:
            case Symbol():
                new = replace(value)
                return symbol(value.kind, value.name) if new is None else new
            case Root():
                return Product(Fraction(1), ((value, Fraction(1)),))
            case Sum():
                return substitute(value, replace)
            case Apply(function, arguments):
                new_arguments = [substitute(a, replace) for a in arguments]
                return log(*new_arguments) if function == "log" else _extreme(function, new_arguments)

    if all(replace(s) is None for s in symbols(formula)):
        return formula
    if isinstance(formula, Sum):
        return add(*(substitute(t, replace) for t in formula.terms))
    return mul(number(formula.coefficient), *(power(atom(a), e) for a, e in formula.factors))


# ---- numbers ---------------------------------------------------------------------------------
def exact(formula: Formula, value: Callable[[Symbol], Fraction | int]) -> Fraction | None:
    """The exact rational value, None where a root or a logarithm makes it irrational."""
    result = substitute(formula, lambda s: number(value(s)))
    return as_number(result)


def evaluate(formula: Formula, value: Callable[[Symbol], float]) -> float:
    """The value as a float, by the operations of `symbolic.text.python`, in the same order."""
    if isinstance(formula, Sum):
        return reduce(lambda x, y: x + y, (evaluate(t, value) for t in formula.terms))
    above, below = layout(formula)
    numerator = reduce(lambda x, y: x * y, (_evaluate_part(p, value) for p in above))
    if not below:
        return numerator
    return numerator / reduce(lambda x, y: x * y, (_evaluate_part(p, value) for p in below))


Part = str | tuple["Atom", Fraction]


def layout(product: Product) -> tuple[list[Part], list[Part]]:
    """What stands above and below the fraction bar: a number as text, then powers, exponents positive.

    The one place that fixes how a product is written, read by `evaluate` and by every printer.
    """
    above: list[Part] = [(a, e) for a, e in product.factors if e > 0]
    below: list[Part] = [(a, -e) for a, e in product.factors if e < 0]
    value = product.coefficient
    text = decimal(value)
    if text is not None:
        above.insert(0, text)
    else:
        if value.numerator != 1 or not above:
            above.insert(0, str(value.numerator))
        if value.denominator != 1:
            below.insert(0, str(value.denominator))
    return above, below


def _evaluate_part(part: Part, value: Callable[[Symbol], float]) -> float:
    return float(part) if isinstance(part, str) else _evaluate_power(*part, value)


def _evaluate_power(atom: Atom, exponent: Fraction, value: Callable[[Symbol], float]) -> float:
    match atom:
        case Symbol():
            base = float(value(atom))
        case Root(integer):
            base = float(integer)
        case Sum():
            base = evaluate(atom, value)
        case Apply(function, arguments):
            numbers = [evaluate(a, value) for a in arguments]
            base = math.log(*numbers) if function == "log" else (min if function == "min" else max)(numbers)
    if exponent == 1:
        return base
    if exponent == Fraction(1, 2):
        return math.sqrt(base)
    if exponent.denominator == 1:
        return float(base**exponent.numerator)
    return float(base ** (exponent.numerator / exponent.denominator))


def decimal(value: Fraction) -> str | None:
    """Decimal text of a number people write as a decimal (0.02, 1e-08), None for 1/3 or a long one."""
    if value.denominator == 1:
        return None
    text = repr(float(value))
    return text if Fraction(text) == value and len(text) <= 12 else None


# ---- canonical form --------------------------------------------------------------------------
def _product(coefficient: Fraction, powers: Mapping[Atom, Fraction]) -> Formula:
    if coefficient == 0:
        return ZERO
    kept: dict[Atom, Fraction] = {}
    for atom, exponent in powers.items():
        if isinstance(atom, Root):
            whole = exponent.numerator // exponent.denominator
            coefficient *= Fraction(atom.value) ** whole
            exponent -= whole
        if exponent:
            kept[atom] = exponent
    _bounded(coefficient)
    factors = tuple(sorted(kept.items(), key=lambda item: _atom_key(item[0])))
    if coefficient == 1 and len(factors) == 1 and factors[0][1] == 1 and isinstance(factors[0][0], Sum):
        return factors[0][0]
    return Product(coefficient, factors)


def _bounded(value: Fraction, exponent: Fraction = ONCE) -> Fraction:
    """The value; no power of it may be so large that no float holds it, or that it takes time to write out."""
    bits = max(value.numerator.bit_length(), value.denominator.bit_length())
    if bits > 1 and bits * abs(exponent) > MAX_BITS:
        raise FormulaError("a number is too large to be written out")
    return value


def _number_power(value: Fraction, exponent: Fraction) -> tuple[Fraction, dict[Atom, Fraction]]:
    _bounded(value, exponent)
    if exponent.denominator == 1:
        return value**exponent.numerator, {}
    if value < 0:
        raise FormulaError("a root of a negative number")
    roots: dict[Atom, Fraction] = {}
    for integer, sign in ((value.numerator, 1), (value.denominator, -1)):
        for prime, count in _factorise(integer):
            roots[Root(prime)] = roots.get(Root(prime), Fraction(0)) + sign * count * exponent
    return Fraction(1), roots


def _factorise(integer: int) -> Iterable[tuple[int, int]]:
    """Prime factors below 1000 and what is left, with their multiplicities."""
    for prime in range(2, 1000):
        count = 0
        while integer % prime == 0 and integer > 1:
            integer //= prime
            count += 1
        if count:
            yield prime, count
        if integer == 1:
            return
    if integer > 1:
        root = math.isqrt(integer)
        yield (root, 2) if root * root == integer else (integer, 1)


def _extreme(function: Literal["min", "max"], arguments: Iterable[Formula]) -> Formula:
    distinct = sorted(set(arguments), key=formula_key)
    constants = [n for n in map(as_number, distinct) if n is not None]
    if len(constants) > 1:
        best = (min if function == "min" else max)(constants)
        distinct = [a for a in distinct if as_number(a) is None or as_number(a) == best]
    if len(distinct) == 1:
        return distinct[0]
    return Product(Fraction(1), ((Apply(function, tuple(distinct)), Fraction(1)),))


def _walk(formula: Formula) -> Iterable[Symbol]:
    for product in formula.terms if isinstance(formula, Sum) else (formula,):
        for atom, _ in product.factors:
            match atom:
                case Symbol():
                    yield atom
                case Root():
                    pass
                case Sum():
                    yield from _walk(atom)
                case Apply(_, arguments):
                    for argument in arguments:
                        yield from _walk(argument)


def formula_key(formula: Formula) -> tuple[object, ...]:
    """A total order that does not depend on hashing."""
    terms = formula.terms if isinstance(formula, Sum) else (formula,)
    return tuple((t.key, t.coefficient) for t in terms)


_KINDS = ("run", "base", "ratio", "size", "layer", "unknown")


def _atom_key(atom: Atom) -> tuple[object, ...]:
    match atom:
        case Root(value):
            return (0, value, "")
        case Symbol(kind, name):
            return (1, _KINDS.index(kind), name)
        case Apply(function, arguments):
            return (2, len(arguments), function, tuple(formula_key(a) for a in arguments))
        case Sum():
            return (3, len(atom.terms), "", formula_key(atom))
