"""What is tuned at the base size. Input: a plan. Output: where each value starts, and who said so.

Invariant: with these values a plan is the same at every size; everything else follows from the rule's
laws. Values that start where the run's do are not listed again, nor those that nobody set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scalec.plan.model import Origin, Plan, Quantity
from scalec.symbolic.formula import Formula, symbol, symbols


@dataclass(frozen=True)
class Tunable:
    """One number to tune: an attribute of the run, of some tensors or of a site.

    `anchor` is where it starts, as a formula over base sizes and the run; `value` the same as a number,
    None where a base size is missing; `origin` who said so, None for the optimizer's default.
    """

    places: tuple[str, ...]
    attribute: str
    anchor: Formula
    complement: bool
    value: float | None
    origin: Origin | None


def tunables(plan: Plan) -> tuple[Tunable, ...]:
    """The run's values, then the anchors of tensors, then those of sites; tensors that agree in one."""
    found: dict[tuple[str, Formula, bool, Origin | None], list[str]] = {}
    for path, numbers in _places(plan):
        for name, quantity in numbers.items():
            if path == "run" or (quantity.anchored and not _is_runs(quantity)):
                origin = quantity.anchored[-1] if quantity.anchored else None
                found.setdefault((name, quantity.anchor, quantity.complement, origin), []).append(path)
    return tuple(
        Tunable(tuple(paths), name, anchor, complement, _at_base(plan, anchor, complement), origin)
        for (name, anchor, complement, origin), paths in found.items()
    )


def _is_runs(quantity: Quantity) -> bool:
    return any(quantity.anchor == symbol("run", s.name) for s in symbols(quantity.anchor) if s.kind == "run")


def _places(plan: Plan) -> Iterator[tuple[str, Mapping[str, Quantity]]]:
    yield "run", {name: q for name, q in plan.run.items() if isinstance(q, Quantity)}
    for t in plan.tensors:
        drawn = t.init.word not in ("zero", "ones")
        yield t.tensor.path, {n: q for n, q in t.said.items() if drawn or not n.startswith("init.")}
    for s in plan.sites:
        yield s.site.path, s.numbers


def _at_base(plan: Plan, anchor: Formula, complement: bool) -> float | None:
    if any(d.name not in plan.base for d in plan.program.dimensions):
        return None
    return plan.value(Quantity(anchor, anchor, anchor, complement=complement), plan.base)
