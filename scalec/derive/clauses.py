"""From laws to clauses of the language. Input: what each attribute should be where. Output: lines, not laid out yet.

Attributes are told apart by place first, then put together again: clauses that select the same, with equally many
exceptions above them, are one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from scalec.derive.express import Law, Place, laws
from scalec.plan.select import parameter_pattern
from scalec.program.program import Program, Site, Tensor
from scalec.source import Source
from scalec.symbolic.formula import UNIT, Formula, mul, power, symbol
from scalec.symbolic.order import Order
from scalec.symbolic.text import plain
from scalec.syntax.layout import to_text
from scalec.syntax.parser import parse

Kind = Literal["tensor", "site"]


@dataclass(frozen=True)
class Wanted:
    """One attribute: its `targets` at `places`, written with `op`.

    `said`: places where it is right already; `taken`: places that no clause may cover. `reason` of a law is its
    comment, "" for none; `within`: what a law stands in.
    """

    kind: Kind
    attribute: str
    op: str
    places: Sequence[Place]
    targets: Mapping[str, Order]
    said: frozenset[str] = frozenset()
    taken: Sequence[Place] = ()
    reason: Callable[[Law], str] = lambda law: ""
    within: str = "{}"


@dataclass(frozen=True)
class _Statement:
    selector: str
    text: str
    reason: str

    @property
    def comment(self) -> str:
        return f"  # {self.reason}" if self.reason else ""


def clause_lines(wanted: Iterable[Wanted]) -> Iterator[str]:
    """The clauses of all attributes, in order of precedence."""
    levels: list[dict[str, list[_Statement]]] = []
    for one in wanted:
        for depth, statement in enumerate(_statements(one)):
            if depth == len(levels):
                levels.append({})
            levels[depth].setdefault(statement.selector, []).append(statement)
    for statements in (group for level in levels for group in level.values()):
        yield from _clause(statements)


def _statements(wanted: Wanted) -> Iterator[_Statement]:
    for found in laws(wanted.places, wanted.targets, wanted.taken, wanted.said, multiply=wanted.op == "*~"):
        text = f"{wanted.attribute} {wanted.op} {wanted.within.format(law_text(found.law))}"
        yield _Statement(f"{wanted.kind} {found.selector}", text, wanted.reason(found))


def _clause(statements: Sequence[_Statement]) -> Iterator[str]:
    head = f"{statements[0].selector} {{"
    if len(statements) == 1 or not any(s.reason for s in statements):
        yield f"{head} {'; '.join(s.text for s in statements)} }}{statements[0].comment}"
        return
    yield head
    yield from (f"{s.text}{s.comment}" for s in statements)
    yield "}"


def law_text(law: Order) -> str:
    return plain(mul(UNIT, *(power(symbol("size", name), e) for name, e in law.powers)))


def canonical(lines: Iterable[str]) -> str:
    """A file laid out as `fmt` leaves it."""
    return to_text(parse(Source("derived", "\n".join(lines))))


# ---- places ----------------------------------------------------------------------------------
Exponent = Callable[[Formula, str, str], Order]


def tensor_places(program: Program, exponent: Exponent) -> list[Place]:
    return [_tensor_place(tensor, program, exponent) for tensor in program.tensors]


def site_places(program: Program, exponent: Exponent) -> list[Place]:
    return [
        Place(
            s.path, s.roles, s.within, _orders(dict(s.relative), s.path, exponent), s.path, _sizes(program, s, exponent)
        )
        for s in program.sites
    ]


def _tensor_place(tensor: Tensor, program: Program, exponent: Exponent) -> Place:
    use = tensor.uses[0]
    sizes = {"fan_in": use.fan_in, "fan_out": use.fan_out} | dict(tensor.relative) | {"density": tensor.density}
    parts = tensor.role.split(".")
    wholes = tuple(".".join(parts[:i]) for i in range(1, len(parts) + 1))
    return Place(
        tensor.path,
        (tensor.shape_class, *wholes),
        tensor.within,
        _orders(sizes, tensor.path, exponent),
        parameter_pattern(tensor),
        _sizes(program, tensor, exponent),
    )


def _sizes(program: Program, place: Tensor | Site, exponent: Exponent) -> dict[str, Order]:
    """The network's own sizes, those that follow no other."""
    free = {d.name: symbol("size", d.name) for d in program.dimensions if d.grows and d.default is None}
    return _orders(free, place.path, exponent)


def _orders(sizes: Mapping[str, Formula], path: str, exponent: Exponent) -> dict[str, Order]:
    return {name: exponent(size, path, name) for name, size in sizes.items()}
