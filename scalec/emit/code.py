"""Formulas and statements as Python text. Input: formulas, pieces of text. Output: lines of code.

Invariant: a value is printed by `symbolic.text.python`, so that emitted code computes what the plan
says to the last bit; a size is integer arithmetic in which every division is checked by `whole`.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from scalec import catalogue as codes
from scalec.diagnostics import Reporter
from scalec.plan.model import Quantity
from scalec.symbolic.formula import Apply, Atom, Formula, Sum, Symbol, SymbolKind, symbols
from scalec.symbolic.text import plain, python


class Reader:
    """How emitted code reads a symbol: `config.N`, `config.m_N`, `BASE_N`, `run.lr`, `layer`.

    `local_ratios`: ratios are local variables there, `m_N`, as in the papers.
    """

    def __init__(self, config: str = "config", *, local_ratios: bool = False, run: str = "run") -> None:
        self.prefix: dict[SymbolKind, str] = {
            "size": f"{config}.",
            "ratio": "m_" if local_ratios else f"{config}.m_",
            "base": "BASE_",
            "run": f"{run}.",
        }

    def __call__(self, s: Symbol) -> str:
        if s.kind == "layer":
            return "layer"
        return self.prefix[s.kind] + (attribute_name(s.name) if s.kind == "run" else s.name)

    def value(self, quantity: Quantity) -> str:
        """Python text of a quantity; a number is written as a float."""
        text = python(quantity.formula, self)
        if quantity.complement:
            return f"1 - ({text})" if isinstance(quantity.formula, Sum) else f"1 - {text}"
        return f"{text}.0" if text.lstrip("-").isdigit() else text

    def size(self, formula: Formula) -> str:
        """Python text of a whole number; a division is `whole(a, b)`."""
        if isinstance(formula, Sum):
            return " + ".join(self.size(term) for term in formula.terms)
        above = [self._power(a, e) for a, e in formula.factors if e > 0]
        below = [self._power(a, -e) for a, e in formula.factors if e < 0]
        numerator = _times(formula.coefficient.numerator, above)
        if not below and formula.coefficient.denominator == 1:
            return numerator
        return f"whole({numerator}, {_times(formula.coefficient.denominator, below)})"

    def _power(self, atom: Atom, exponent: Fraction) -> str:
        match atom:
            case Symbol("size"):
                base = self(atom)
            case Sum():
                base = f"({self.size(atom)})"
            case Apply("min" | "max" as function, arguments):
                base = f"{function}({', '.join(map(self.size, arguments))})"
            case _:
                raise NotWholeError
        if exponent.denominator != 1:
            raise NotWholeError
        return base if exponent == 1 else f"{base}{'**' if isinstance(atom, Symbol) else ' ** '}{exponent}"


def attribute_name(name: str) -> str:
    """What emitted code calls a quantity of the run: `lr`, or `lr_muon` for `muon.lr`."""
    owner, _, attribute = name.rpartition(".")
    return f"{attribute}_{owner}" if owner else attribute


class NotWholeError(ValueError):
    """A size with a root, a logarithm or a symbol that is no size."""


def size_text(reader: Reader, formula: Formula, reporter: Reporter) -> str:
    try:
        return reader.size(formula)
    except NotWholeError:
        reporter.fail(codes.NOT_WHOLE, f"`{plain(formula)}` is not a whole number at every size")


def _times(coefficient: int, factors: list[str]) -> str:
    return " * ".join(([str(coefficient)] if coefficient != 1 or not factors else []) + factors)


def names(formulas: Iterable[Formula], kind: SymbolKind) -> tuple[str, ...]:
    """Names of the symbols of one kind that occur in some formulas, sorted."""
    return tuple(sorted({s.name for f in formulas for s in symbols(f) if s.kind == kind}))
