"""Every value of a plan is a number at every size asked for. Input: a Plan. Output: diagnostics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from math import isfinite

from scalec import catalogue as codes
from scalec.diagnostics import Reporter
from scalec.plan.model import Plan, Quantity
from scalec.plan.sizes import within

NOT_NEGATIVE = ("init.std", "lr", "eps", "wd", "final_lr", "warmup", "clip")
OF_ONE = ("beta1", "beta2", "momentum")  # what is kept of the past: 0 or more, less than 1


def check_values(plan: Plan, reporter: Reporter) -> None:
    """Report what has no value at a size: a root of a negative sum, a division by 0, an overflow."""
    for name, size in plan.base.items():
        if not within(size):
            reporter.report(codes.NOT_INTEGER, f"the base size of `{name}` is beyond 2^53")
    reporter.stop_on_errors()
    run = {name: q for name, q in plan.run.items() if isinstance(q, Quantity)}
    _check(plan, ((name, "run", q) for name, q in run.items()), reporter)
    reporter.stop_on_errors()  # what the run says, tensors start from
    _check(plan, _quantities(plan), reporter)


def _check(plan: Plan, quantities: Iterable[tuple[str, str, Quantity]], reporter: Reporter) -> None:
    for name, path, quantity in quantities:
        for sizes in plan.shown:
            reason = _reason(plan, name, quantity, sizes)
            if reason:
                place = ", ".join(f"{dim} = {size}" for dim, size in sizes.items())
                span = next((o.span for o in reversed(quantity.origins) if o.span), None)
                reporter.report(codes.EXPRESSION, f"`{name}` of `{path}` is {reason}", span, notes=[f"at {place}"])
                break


def _quantities(plan: Plan) -> Iterator[tuple[str, str, Quantity]]:
    """Attribute, first path that has it, quantity; what tensors share comes once."""
    shared = {id(t.numbers): t for t in reversed(plan.tensors)}
    for t in reversed(shared.values()):
        yield from ((name, t.tensor.path, q) for name, q in t.numbers.items())
        if t.decay_per_step is not None:
            yield "decay per step", t.tensor.path, t.decay_per_step
    for s in plan.sites:
        yield from ((name, s.site.path, q) for name, q in s.numbers.items())


def _reason(plan: Plan, name: str, quantity: Quantity, sizes: Mapping[str, Fraction]) -> str:
    """Why it is no value here, empty where it is one."""
    try:
        numbers = plan.values(quantity, sizes)
    except (ArithmeticError, ValueError, TypeError):  # a complex number is a TypeError
        return "no number"
    if not all(map(isfinite, numbers)):
        return "not finite"
    attribute = name.rpartition(".")[2]  # of the run's `muon.lr`
    if {name, attribute} & {*NOT_NEGATIVE} and numbers[0] < 0:
        return f"{numbers[0]:g}, and cannot be negative"
    if attribute in OF_ONE and not all(0 <= number < 1 for number in numbers):
        return f"{numbers[0]:g}, and must be 0 or more and less than 1"
    return ""
