"""`plan --tunables` as text. Input: a plan. Output: one line a value, ready for `--tune`, and who said it."""

from __future__ import annotations

from scalec.emit.lines import title
from scalec.plan.model import Plan
from scalec.plan.tunables import Tunable, tunables
from scalec.symbolic.text import plain


def tunables_text(plan: Plan) -> str:
    """What must be tuned at the base; at every other size the rule's laws move it."""
    found = tunables(plan)
    rows = [(f"{', '.join(t.places)}", f"{t.attribute} = {_value(t)}", _origin(t)) for t in found]
    width = max((len(said) for _, said, _ in rows), default=0)
    lines, above = [], ""
    for places, said, origin in rows:
        if places != above:
            lines.append(places)
        lines.append(f"  {said.ljust(width)}  {origin}")
        above = places
    return "\n".join([*title(plan), "", *lines, ""])


def _value(tunable: Tunable) -> str:
    text = plain(tunable.anchor)
    formula = f"1 - ({text})" if tunable.complement else text
    if tunable.value is None:
        return formula
    number = f"{tunable.value:.6g}"
    return number if text in (number, repr(tunable.value)) else f"{number} = {formula}"


def _origin(tunable: Tunable) -> str:
    origin = tunable.origin
    return "the optimizer's default" if origin is None else f"{origin.rule}: {origin.text}  ({origin.location})"
