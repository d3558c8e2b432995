"""`Program`, the one intermediate representation. Input: lowering or tracing. Output: frozen data.

A program is a tree of regions (blocks with a kind and options, for the emitter) over a list of
operations (for the calculus), and the tensors and sites that a rule speaks of. Repeated blocks stay
symbolic: a 61-layer model is a few dozen operations. Everything before is text, everything after is
interpretation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Literal

from scalec.program.ops import Operation
from scalec.source import Span
from scalec.symbolic.formula import UNIT, Formula, symbols

ShapeClass = Literal["matrix", "input", "output", "vector", "scalar"]


@dataclass(frozen=True)
class Dimension:
    """A named size of a network.

    `default`: its value in terms of other dimensions where nobody names it (`H = N/64`).
    `grows` is false where the network declares it fixed; `fixed` is its value then, if the network
    says one.
    """

    name: str
    doc: str = ""
    default: Formula | None = None
    grows: bool = True
    fixed: Fraction | None = None


@dataclass(frozen=True)
class Axis:
    """A replicated axis: the copies of a repeated block, experts, heads. `word`: what rules call it, if anything."""

    name: str
    count: Formula
    word: str = ""


@dataclass(frozen=True)
class Use:
    """One use of a tensor: coordinates summed over, coordinates produced.

    A tied tensor has several; all but the first say by which role, shape class and blocks they are selected.
    """

    fan_in: Formula
    fan_out: Formula
    transposed: bool = False
    role: str = ""
    shape_class: ShapeClass | None = None
    within: tuple[str, ...] = ()

    @property
    def scale(self) -> str:
        """What a plan calls the forward multiplier of this use: each has its own."""
        return f"scale.{self.role}" if self.role else "scale"


@dataclass(frozen=True)
class Storage:
    """Where a tensor lives: a parameter name with a hole `{axis}` per layer axis, and its layout.

    `slice` is (first row, rows) of a parameter that several tensors share, else None. `stacked`: axes whose
    copies lie in one parameter, as its first sides; they have no hole in the name.
    """

    name: str
    layout: Literal["out_in", "in_out", "flat"]
    slice: tuple[Formula, Formula] | None = None
    stacked: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parts:
    """`count` matrices that lie side by side in one: each is as many of its rows (`fan_out`) or columns (`fan_in`).

    `word`: what rules call them.
    """

    word: str
    count: Formula
    side: Literal["fan_in", "fan_out"]


@dataclass(frozen=True)
class Tensor:
    """A logical trained tensor.

    `path` is stable and documented (`block.mlp.up`); `role` a dotted name (`mlp.up` is part of `mlp`);
    `shape` its sides as stored, see `storage.layout`; `relative` the relative sizes that exist here
    (`fan_in` and `fan_out` come from `uses`); `within` the kinds and names of the enclosing blocks.
    `density`: the share of its entries that are ever other than 0, the same ones throughout. `parts`: what it is made
    of, where it is several matrices in one.
    """

    path: str
    role: str
    shape_class: ShapeClass
    shape: tuple[Formula, ...]
    uses: tuple[Use, ...]
    storage: Storage
    axes: tuple[Axis, ...] = ()
    relative: tuple[tuple[str, Formula], ...] = ()
    within: tuple[str, ...] = ()
    density: Formula = UNIT
    parts: Parts | None = None

    @cached_property
    def views(self) -> tuple[Tensor, ...]:
        """The tensor as selectors and clauses see it through each of its uses."""
        first, *others = self.uses
        seen = (
            replace(self, role=u.role, shape_class=u.shape_class or self.shape_class, within=u.within, uses=(u,))
            for u in others
        )
        return (replace(self, uses=(first,)), *seen) if others else (self,)


@dataclass(frozen=True)
class Site:
    """A place in the forward pass that a rule may scale and that is no tensor.

    `roles` are the dotted names that select it (`residual`, `residual.attention`). `required`: a rule
    must say its `scale`; elsewhere an unnamed scale is 1. `axes`: the repeats around it.
    """

    path: str
    roles: tuple[str, ...]
    attributes: tuple[str, ...] = ("scale",)
    required: bool = False
    relative: tuple[tuple[str, Formula], ...] = ()
    within: tuple[str, ...] = ()
    axes: tuple[Axis, ...] = ()


OptionValue = Formula | str | bool | Fraction | tuple[str, ...]


@dataclass(frozen=True)
class Region:
    """A block: its kind, its local name, its typed options; children in order of execution.

    `tensors` and `sites` map the block's local names (`q`, `logits`) to paths. Regions carry what only
    the emitter reads (causal, norm eps, dropout); no transfer function sees them.
    """

    kind: str
    name: str
    path: str
    options: tuple[tuple[str, OptionValue], ...] = ()
    children: tuple[Region, ...] = ()
    tensors: tuple[tuple[str, str], ...] = ()
    sites: tuple[tuple[str, str], ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)

    def option(self, name: str) -> OptionValue:
        return dict(self.options)[name]


@dataclass(frozen=True)
class Stack:
    """The copies of a repeated block, counted along their stream from 0.

    `before`: blocks that precede them in what surrounds the repeat; `each`: blocks that one copy holds, 1 if
    nothing is repeated inside. Over all copies of what is around, the index of a copy runs from `first` to `last`.
    """

    before: Formula
    each: Formula
    first: Formula
    last: Formula


@dataclass(frozen=True)
class Program:
    """A network, ready to be checked, planned, applied; emitted if its regions come from the language.

    `stacks`: the repeated blocks, by axis.
    """

    name: str
    dimensions: tuple[Dimension, ...]
    regions: tuple[Region, ...]
    operations: tuple[Operation, ...]
    tensors: tuple[Tensor, ...]
    sites: tuple[Site, ...]
    stacks: Mapping[str, Stack] = field(default_factory=dict, hash=False)

    @cached_property
    def tensor(self) -> dict[str, Tensor]:
        return {t.path: t for t in self.tensors}

    @cached_property
    def site(self) -> dict[str, Site]:
        return {s.path: s for s in self.sites}

    @cached_property
    def shares(self) -> frozenset[str]:
        """Dimensions that are parts of a density: no counts, so no whole numbers."""
        return frozenset(s.name for t in self.tensors for s in symbols(t.density))

    @cached_property
    def dimension(self) -> dict[str, Dimension]:
        return {d.name: d for d in self.dimensions}
