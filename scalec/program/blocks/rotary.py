"""Positions that turn pairs of coordinates: no weight, no change of any size, nothing for the calculus."""

from __future__ import annotations

from scalec import catalogue as codes
from scalec.program.building import Block, Builder
from scalec.program.program import OptionValue
from scalec.program.specs import Option
from scalec.symbolic.formula import Formula, divide, number

DEFAULTS: dict[str, OptionValue] = {"rope_base": number(10000), "rope_layout": "halves"}
OPTIONS = (
    Option("rope_base", "size", optional=True),
    Option("rope_layout", "word", None, ("halves", "pairs"), optional=True),
)


def rotary(b: Builder, at: Block, turned: Formula | None, by: str) -> None:
    """What turning `turned` coordinates needs to know; `by`: the option that asks for it, where they are None."""
    if turned is None:
        for name in sorted(DEFAULTS.keys() & at.options.keys()):
            b.reporter.report(codes.OPTION, f"`{name}` says nothing without `{by}`", at.node.span)
        return
    if b.context is None:
        b.reporter.fail(
            codes.OPTION,
            f"`{by}` needs to know how many positions there are",
            at.node.span,
            helps=["say it where tokens enter: `embed(..., context = T)`"],
        )
    at.options |= DEFAULTS | at.options | {"rope_context": b.context, "rope_pairs": divide(turned, number(2))}
