"""The plan as a JSON document, `scalec.plan/1`. Input: a plan and a size. Output: pydantic models.

Invariant: every number is `Plan.value`, the float that emitted code computes; the JSON Schema in
`docs/schema/plan-1.json` is made from these models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from scalec.emit.columns import plain_number
from scalec.plan.model import Choice, Plan, PlannedSite, PlannedTensor, Quantity
from scalec.program.program import Tensor
from scalec.symbolic.formula import Formula, Product, Symbol, exact
from scalec.symbolic.order import Order

Exponents = dict[str, str]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Subject(_Model):
    """What the plan is about. Sizes are those of all dimensions of the network."""

    rule: str
    file: str
    network: str
    optimizers: dict[str, str] = Field(description="name to class")
    base: dict[str, int | float]
    sizes: dict[str, int | float]
    cites: list[str] = Field(description="sources of the rule and its ancestors")
    fitted: dict[str, str] = Field(
        default_factory=dict, description="laws that were fitted and that no one proved: name to text"
    )
    regime: str | None = Field(default=None, description="what clauses under a regime were held against")


class Init(_Model):
    """`shared`: copies along this axis start equal."""

    dist: str
    mean: float
    std: float
    shared: str | None


class TensorEntry(_Model):
    """One tensor. `lr`, `eps`, `wd` are null where its optimizer takes none, `optimizer` where it is frozen.

    `lr` is what the optimizer's class is told, a factor of its own divided out; `wd` is in the class's
    convention, `wd_kind` the one in which the rule spoke; `decay_per_step` is the
    share of the weight that decay takes in a step at the peak rate, null where decay goes through a
    normalised update. `order`: exponents of each law; an attribute is left out where its law is no
    product of powers. `clauses`: the last clause that acted, `file:line`. `empirical`: the fitted laws that an
    attribute hangs on.
    """

    name: str
    role: str
    shape: list[int]
    init: Init
    scale: float
    scales: dict[str, float] = Field(description="of its further uses, by role: a tied readout's")
    lr: float | None
    eps: float | None
    wd: float | None
    wd_kind: str | None
    decay_per_step: float | None
    optimizer: str | None
    split: str | None = Field(default=None, description="what its optimizer takes apart, one by one: `heads`")
    order: dict[str, Exponents]
    clauses: dict[str, str]
    empirical: dict[str, list[str]] = Field(default_factory=dict)


class SiteEntry(_Model):
    """A place in the forward pass that a rule may scale.

    `values` are those of the first layer, `last` those of the last layer, where a rule tells layers apart.
    """

    name: str
    values: dict[str, float]
    last: dict[str, float]
    order: dict[str, Exponents]
    clauses: dict[str, str]
    empirical: dict[str, list[str]] = Field(default_factory=dict)


class PlanDocument(_Model):
    """What a rule says of each tensor of a network at one size."""

    schema_: Literal["scalec.plan/1"] = Field(default="scalec.plan/1", alias="schema")
    subject: Subject
    tensors: list[TensorEntry]
    sites: list[SiteEntry]
    run: dict[str, float | str]
    run_empirical: dict[str, list[str]] = Field(default_factory=dict)


Sizes = Mapping[str, Fraction]


def plan_document(plan: Plan, sizes: Sizes) -> PlanDocument:
    """The document of a plan at one size of all dimensions."""
    at = _At(plan, sizes)
    return PlanDocument(
        subject=Subject(
            rule=plan.rule,
            file=plan.file,
            network=plan.program.name,
            optimizers={name: c.path for name, c in plan.optimizers.items()},
            base={name: plain_number(v) for name, v in plan.base.items()},
            sizes={name: plain_number(v) for name, v in sizes.items()},
            cites=list(plan.sources),
            fitted={law.name: law.text for law in plan.fitted},
            regime=plan.regime or None,
        ),
        tensors=[at.tensor(t) for t in plan.tensors],
        sites=[at.site(s) for s in plan.sites],
        run={name: v.word if isinstance(v, Choice) else at.value(v) for name, v in plan.run.items()},
        run_empirical=_fits(plan, {name: v for name, v in plan.run.items() if isinstance(v, Quantity)}),
    )


@dataclass(frozen=True)
class _Said:
    """What a rule says by attribute: values at a size, exponents of the laws, where it was said, what was fitted."""

    values: dict[str, float]
    order: dict[str, Exponents]
    clauses: dict[str, str]
    empirical: dict[str, list[str]]


class _At:
    """A plan at a size. Tensors that share their numbers, or their shape, share the work."""

    def __init__(self, plan: Plan, sizes: Sizes) -> None:
        self.plan = plan
        self.sizes = sizes
        self.values: dict[int, float] = {}
        self.known: dict[int, _Said] = {}
        self.shapes: dict[object, list[int]] = {}

    def value(self, quantity: Quantity) -> float:
        known = self.values.get(id(quantity))
        if known is None:
            known = self.values[id(quantity)] = self.plan.value(quantity, self.sizes)
        return known

    def tensor(self, t: PlannedTensor) -> TensorEntry:
        said = self._said(t.numbers)
        values = said.values
        sides = (t.tensor.shape, t.tensor.axes)
        shape = self.shapes.get(sides)
        if shape is None:
            shape = self.shapes[sides] = shape_at(t.tensor, self.sizes)
        return TensorEntry(
            name=t.tensor.path,
            role=t.tensor.role,
            shape=shape,
            init=Init(
                dist=t.init.word,
                mean=values["init.mean"],
                std=values["init.std"],
                shared=t.shared.word if t.shared and t.shared_axes else None,
            ),
            scale=values["scale"],
            scales={use.role: values[use.scale] for use in t.tensor.uses[1:]},
            lr=values.get("lr"),
            eps=values.get("eps"),
            wd=values.get("wd"),
            wd_kind=t.wd_kind.word if "wd" in values else None,
            decay_per_step=None if t.decay_per_step is None else self.value(t.decay_per_step),
            optimizer=t.optimizer,
            split=t.split.word if t.optimizer and t.parts else None,
            order=said.order,
            clauses=said.clauses,
            empirical=said.empirical,
        )

    def site(self, s: PlannedSite) -> SiteEntry:
        said = self._said(s.numbers)
        ends = {name: self.plan.values(q, self.sizes) for name, q in s.numbers.items()}
        last = {name: values[-1] for name, values in ends.items() if len(values) > 1}
        return SiteEntry(
            name=s.site.path,
            values=said.values,
            last=last,
            order=said.order,
            clauses=said.clauses,
            empirical=said.empirical,
        )

    def _said(self, numbers: Mapping[str, Quantity]) -> _Said:
        known = self.known.get(id(numbers))
        if known is None:
            laws = {n: order_of(self.plan.order_formula(self.plan.moves(q))) for n, q in numbers.items()}
            known = self.known[id(numbers)] = _Said(
                {n: self.value(q) for n, q in numbers.items()},
                {n: order.as_dict() for n, order in laws.items() if order is not None},
                {n: q.origins[-1].location for n, q in numbers.items() if q.origins},
                _fits(self.plan, numbers),
            )
        return known


def _fits(plan: Plan, numbers: Mapping[str, Quantity]) -> dict[str, list[str]]:
    return {name: [law.name for law in fits] for name, q in numbers.items() if (fits := plan.fits(q))}


def order_of(law: Formula) -> Order | None:
    """A law as a monomial in dimensions, None where it is none (a sum, `min`, a logarithm)."""
    if not isinstance(law, Product):
        return None
    if not all(isinstance(atom, Symbol) for atom, _ in law.factors):
        return None
    return Order.of(
        (atom.name, e) for atom, e in law.factors if isinstance(atom, Symbol) and atom.kind in ("size", "ratio")
    )


def shape_at(tensor: Tensor, sizes: Sizes) -> list[int]:
    """The sides at a size, the way the parameter is stored: copies in one parameter come first."""
    stacked = [axis.count for axis in tensor.axes if axis.name in tensor.storage.stacked]
    sides = [exact(side, lambda s: sizes[s.name]) for side in (*stacked, *tensor.shape)]
    assert all(side is not None and side.denominator == 1 for side in sides)
    return [int(side) for side in sides if side is not None]
