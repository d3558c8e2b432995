"""What a rule asks of sizes, as tests over formulas. Data, and what is true of it.

Invariant: a test knows nothing of where it came from; who looks at it says what sign a formula has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, assert_never

from scalec.source import Span
from scalec.symbolic import formula as f
from scalec.symbolic.formula import Formula, Product, Symbol


@dataclass(frozen=True)
class Comparison:
    """`left operator right`; `text` as it was written."""

    left: Formula
    operator: str
    right: Formula
    text: str = field(default="", compare=False)

    @property
    def difference(self) -> Formula:
        return f.subtract(self.left, self.right)


@dataclass(frozen=True)
class Junction:
    """All of the tests (`and`) or one of them (`or`)."""

    word: str
    tests: tuple[Test, ...]


@dataclass(frozen=True)
class Negation:
    test: Test


@dataclass(frozen=True)
class Known:
    """What a word of the run decides at once; None where nothing says what it is `about`."""

    value: bool | None
    about: str = ""


Test = Comparison | Junction | Negation | Known
Sign = Callable[[Formula], int | None]

OPERATORS: dict[str, Callable[[int], bool]] = {
    "<": lambda sign: sign < 0,
    "<=": lambda sign: sign <= 0,
    ">": lambda sign: sign > 0,
    ">=": lambda sign: sign >= 0,
    "=": lambda sign: sign == 0,
    "!=": lambda sign: sign != 0,
}


def truth(test: Test, sign: Sign) -> bool | None:
    """Whether it holds, where `sign` is the sign of a formula; None where that hangs on an open one."""
    match test:
        case Known(value):
            return value
        case Comparison(operator=operator):
            found = sign(test.difference)
            return None if found is None else OPERATORS[operator](found)
        case Negation(inner):
            value = truth(inner, sign)
            return None if value is None else not value
        case Junction(word, tests):
            values, decisive = [truth(t, sign) for t in tests], word == "or"
            if decisive in values:
                return decisive
            return None if None in values else not decisive
        case _:
            assert_never(test)


def knowns(test: Test) -> Iterator[Known]:
    match test:
        case Known():
            yield test
        case Negation(inner):
            yield from knowns(inner)
        case Junction(_, tests):
            for inner in tests:
                yield from knowns(inner)
        case Comparison():
            pass


def comparisons(test: Test) -> Iterator[Comparison]:
    match test:
        case Comparison():
            yield test
        case Negation(inner):
            yield from comparisons(inner)
        case Junction(_, tests):
            for inner in tests:
                yield from comparisons(inner)
        case Known():
            pass


def mapped(test: Test, change: Callable[[Formula], Formula]) -> Test:
    """The test with every formula changed."""
    match test:
        case Comparison(left, operator, right, text):
            return Comparison(change(left), operator, change(right), text)
        case Negation(inner):
            return Negation(mapped(inner, change))
        case Junction(word, tests):
            return Junction(word, tuple(mapped(t, change) for t in tests))
        case Known():
            return test


# ---- thresholds ------------------------------------------------------------------------------
def is_threshold(comparison: Comparison, grows: Callable[[str], bool]) -> bool:
    """Whether it compares what grows with a constant other than 1, so that a rule would change at some size."""
    left, right = (any(_growing(side, grows)) for side in (comparison.left, comparison.right))
    if left != right and f.as_number(comparison.right if left else comparison.left) != 1:
        return True
    if not isinstance(comparison.left, Product) or not isinstance(comparison.right, Product):
        return False
    quotient = f.divide(comparison.left, comparison.right)
    assert isinstance(quotient, Product)
    exponents = {e > 0 for a, e in quotient.factors if isinstance(a, Symbol) and a.kind == "size" and grows(a.name)}
    return len(exponents) == 1 and quotient.coefficient != 1


def _growing(side: Formula, grows: Callable[[str], bool]) -> Iterator[bool]:
    return (s.kind == "size" and grows(s.name) for s in f.symbols(side))


# ---- in a plan ---------------------------------------------------------------------------------
@dataclass(frozen=True)
class Guard:
    """A condition of `where`, `require` or `valid` as it stands in a plan.

    `place`: the tensor or site that a `where` is about. `value`: what it was at the sizes asked for, None where that is
    open. Emitted code, whose sizes can be changed, looks at it again.
    """

    kind: Literal["where", "require", "valid"]
    text: str
    test: Test
    value: bool | None
    place: str = ""
    span: Span | None = field(default=None, compare=False)
