"""Numbers that are lost in the type they are kept in. Input: a plan, the name of a type. Output: warnings.

Weights and their learning rates are in that type; epsilon is added to state in float32.
"""

from __future__ import annotations

from collections.abc import Iterator

from scalec import catalogue as codes
from scalec.diagnostics import Diagnostic, Reporter
from scalec.plan.model import Plan, Quantity

# The smallest number with all its digits, and the smallest at all.
SMALLEST = {
    "float32": (2.0**-126, 2.0**-149),
    "bfloat16": (2.0**-126, 2.0**-133),
    "float16": (2.0**-14, 2.0**-24),
}
STATE = "float32"


def underflows(plan: Plan, dtype: str) -> tuple[Diagnostic, ...]:
    """Warnings of every eps, init.std and lr that is no number of its type at some size of the plan."""
    reporter = Reporter()
    found: dict[tuple[str, str], tuple[Quantity, list[str]]] = {}
    for name, kept in (("init.std", dtype), ("lr", dtype), ("eps", STATE)):
        for t in plan.tensors:
            quantity = t.numbers.get(name)
            lost = next(_losses(plan, quantity, kept), None) if quantity else None
            if quantity and lost:
                found.setdefault((name, lost), (quantity, []))[1].append(t.tensor.path)
    for (name, lost), (quantity, (first, *others)) in found.items():
        span = next((o.span for o in reversed(quantity.origins) if o.span), None)
        more = [f"so is that of {', '.join(f'`{path}`' for path in others)}"] if others else []
        reporter.report(codes.UNDERFLOW, f"`{name}` of `{first}` is {lost}", span, notes=more)
    return reporter.ordered


def _losses(plan: Plan, quantity: Quantity, dtype: str) -> Iterator[str]:
    """What is left of the number at each size where it does not fit."""
    normal, least = SMALLEST[dtype]
    for sizes in plan.sizes:
        number = plan.value(quantity, sizes)
        if 0 < number < normal:
            yield f"{number:.3g}, which {'has lost digits' if number >= least else 'is 0'} in {dtype}"
