"""What a derivation starts from: a program, what is given of a rule, what is open. Data only.

Input: whoever knows rules. Invariant: `given` has a value for everything; that of an open attribute is a
placeholder. A forward multiplier is never open: it is a gauge, and init, rate and epsilon say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, NamedTuple

from scalec.calculus.observables import observables, watched
from scalec.calculus.scaling import Scaling, TensorScaling
from scalec.calculus.structure import Structure
from scalec.program.ops import Dot, Linear, Mix, Scale
from scalec.program.program import Program
from scalec.symbolic.formula import UNIT, Formula, maximum, minimum, mul, power, symbol
from scalec.symbolic.order import ONE, Order, Regime

INIT, RATE, EPSILON, DECAY, FACTOR = "init.std", "lr", "eps", "wd", "scale"


class Lever(NamedTuple):
    """An attribute of a tensor or a site: what a rule sets, and a derivation solves for."""

    path: str
    attribute: str


@dataclass(frozen=True)
class Means:
    """A kind of structural change: what it does, of one tensor and of several; what that takes from training.

    `decides`: the attribute that a rule forbids it by; `apply`: what becomes of a tensor, given the axis; `closes`:
    what there is nothing left to solve for; `says`: a clause of the language, of the axis's word.
    """

    told: tuple[str, str]
    loses: str
    decides: str
    apply: Callable[[TensorScaling, str], TensorScaling]
    closes: tuple[str, ...] = ()
    says: str = ""


class Change(NamedTuple):
    """A structural change to tensors, along `axis` where it is about copies; `word`: what rules call that."""

    means: Means
    tensors: tuple[str, ...]
    axis: str = ""
    word: str = ""


class Bend(NamedTuple):
    """What a law is multiplied by where directions ask for two: `by` where that is below 1 (`min`) or above (`max`)."""

    function: Literal["min", "max"]
    by: Order

    @property
    def law(self) -> Formula:
        return (minimum if self.function == "min" else maximum)(UNIT, law(self.by))


@dataclass(frozen=True)
class Problem:
    """`open`: the levers to solve for, as far as the program has use for them.

    `decided`: what the rule says of structure, so that it stays; `owners`: the optimizers of what is trained;
    `changes`: those made; `at_the_sum`: tensors whose init is held at order 1 not at their own output but at the sum
    that it is part of.
    """

    program: Program
    given: Scaling
    open: frozenset[Lever]
    regime: Regime
    decided: frozenset[Lever] = frozenset()
    owners: Mapping[str, str] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    at_the_sum: frozenset[str] = frozenset()

    @cached_property
    def structure(self) -> Structure:
        return Structure(self.program)

    @cached_property
    def weighted(self) -> frozenset[str]:
        """Tensors that are matrices somewhere: their entries are drawn, and their spread is a lever."""
        return frozenset(op.tensor for op in self.structure.operations if isinstance(op, Linear))

    @cached_property
    def summed(self) -> frozenset[str]:
        """Matrices whose output is seen by nothing before it is summed over copies."""
        return frozenset(op.tensor for op in self.structure.operations if isinstance(op, Linear) and self._ends(op.out))

    def _ends(self, value: str) -> bool:
        if value in self.structure.added:
            return True
        kind = observables(self.structure).get(watched(self.structure, value))
        readers = self.structure.readers.get(value, ())
        return kind == "sum" or (
            kind is None and bool(readers) and all(not isinstance(r, Linear) and self._ends(r.out) for r in readers)
        )

    def behind(self, value: str) -> tuple[Scale, ...]:
        """The factors between a weight's product and what others read: said to be there, so part of its output."""
        match self.structure.readers.get(value, ()):
            case (Scale(attribute="scale") as op,) if (
                op.site not in self.unweighted and value not in self.structure.added
            ):
                return (op, *self.behind(op.out))
            case _:
                return ()

    @cached_property
    def unweighted(self) -> Mapping[str, Scale]:
        """The sites, by path, that scale a sum which has no weights of its own: nothing else can size it.

        That is a dot product, or what is summed over the copies of a repeat or over a replicated axis. Any other
        factor stands beside a weight, which says the same.
        """
        made_by, added = self.structure.made_by, self.structure.added
        return {
            op.site: op
            for op in self.structure.operations
            if isinstance(op, Scale) and op.attribute == FACTOR
            and (op.out in added or self.mixed(op) or _is_sum(made_by.get(op.x)))
        }  # fmt: skip

    @cached_property
    def plain_rates(self) -> tuple[Lever, ...]:
        """The open rates that multiply a plain gradient."""
        rates = (Lever(path, RATE) for path, rule in self.given.tensors.items() if rule.family == "sgd" and rule.lr)
        return tuple(rate for rate in rates if rate in self.open)

    @cached_property
    def normalised(self) -> Problem:
        """The problem with every entry of a gradient over its size, where a rate to solve for multiplies it."""
        plain = {rate.path for rate in self.plain_rates}
        tensors = {path: replace(rule, family="entrywise") if path in plain else rule
                   for path, rule in self.given.tensors.items()}  # fmt: skip
        return replace(self, given=replace(self.given, tensors=tensors)) if plain else self

    def mixed(self, op: Scale) -> Mix | None:
        """The sum over a replicated axis whose coefficients a site scales."""
        readers = self.structure.readers.get(op.out, ())
        return next((r for r in readers if isinstance(r, Mix) and r.axis and r.weights == op.out), None)

    def scaling(self, found: Mapping[Lever, Order], bends: Mapping[Lever, Bend] | None = None) -> Scaling:
        """What is given, with the levers found put in."""
        laws = {lever: law(order) for lever, order in found.items()}
        laws |= {lever: mul(laws[lever], bend.law) for lever, bend in (bends or {}).items()}
        tensors = {path: _with(path, rule, laws) for path, rule in self.given.tensors.items()}
        sites = {(path, name): f for (path, name), f in laws.items() if path in self.program.site}
        return Scaling(tensors, {**self.given.sites, **sites})

    def undecayed(self, found: Mapping[Lever, Order]) -> Scaling:
        """The same without derived decay, which follows from the rest and decides nothing."""
        laws = self.scaling(found)
        free = {p: replace(t, wd=None) for p, t in laws.tensors.items() if Lever(p, DECAY) in self.open}
        return replace(laws, tensors={**laws.tensors, **free})


def law(order: Order) -> Formula:
    return mul(UNIT, *(power(symbol("size", name), exponent) for name, exponent in order.powers))


def marked(regime: Regime, levers: Iterable[Lever]) -> tuple[Regime, Mapping[Lever, str]]:
    """A symbol for each lever that does not grow: an order says by it what it is made of. The regime knows them."""
    marks = {lever: f"?{lever.path}.{lever.attribute}" for lever in levers}
    return replace(regime, growth=tuple(sorted((*regime.growth, *((mark, ONE) for mark in marks.values()))))), marks


def _with(path: str, rule: TensorScaling, laws: Mapping[Lever, Formula]) -> TensorScaling:
    names = {INIT: "init", RATE: "lr", EPSILON: "eps", DECAY: "wd"}
    found = {field: laws[Lever(path, name)] for name, field in names.items() if Lever(path, name) in laws}
    return replace(rule, **found)  # type: ignore[arg-type]


def _is_sum(op: object) -> bool:
    return isinstance(op, Dot) or (isinstance(op, Mix) and op.axis is not None)
