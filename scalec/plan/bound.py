"""Rules that were made for different runs. Input: what rules require. Output: diagnostics for those that disagree.

Two rules that each require a value of the run, `schedule = cosine` and `schedule = linear`, hold for different
experiments: no run is both, whatever a third rule says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from scalec import catalogue as codes
from scalec.diagnostics import Reporter, ScalecError
from scalec.resolve.rules import RuleDemand
from scalec.resolve.vocabulary import RUN_ATTRIBUTES
from scalec.symbolic.evaluate import to_number
from scalec.syntax import nodes
from scalec.syntax.printer import expression_text


@dataclass(frozen=True)
class _Binding:
    """`attribute = value`, as a rule requires it; `value` is a word or an exact number."""

    attribute: str
    value: object
    text: str


def report_bound_apart(demands: Sequence[RuleDemand], reporter: Reporter) -> bool:
    """Report each two rules that require different values of something of the run; whether there are any."""
    found = False
    said = [(d, tuple(_bindings(d.node.condition))) for d in demands if d.node.kind == "require"]
    for (first, ours), (second, theirs) in combinations(said, 2):
        apart = [(a, b) for a in ours for b in theirs if a.attribute == b.attribute and a.value != b.value]
        if apart and first.rule != second.rule:
            found = True
            one, other = (" and ".join(f"`{pair[side].text}`" for pair in apart) for side in (0, 1))
            reporter.report(
                codes.BOUND_APART,
                f"rules `{first.rule}` and `{second.rule}` cannot be combined: they are for different runs",
                second.node.span,
                label=f"`{second.rule}` is for {other}",
                labels=[(first.node.span, f"`{first.rule}` is for {one}")],
            )
    return found


def _bindings(condition: nodes.Condition) -> Iterator[_Binding]:
    """The equalities that must hold for the condition to."""
    match condition:
        case nodes.Bool("and", left, right):
            yield from _bindings(left)
            yield from _bindings(right)
        case nodes.Compare((nodes.Name() as name, value), ("=",)):
            attribute = name.text.removeprefix("run.")
            if attribute in RUN_ATTRIBUTES and (known := _known(attribute, value)) is not None:
                yield _Binding(attribute, known, f"{attribute} = {expression_text(value)}")
        case _:
            pass


def _known(attribute: str, value: nodes.Expr) -> object:
    """A word, or a number that hangs on no size; else None."""
    if RUN_ATTRIBUTES[attribute]:
        return value.text if isinstance(value, nodes.Name) else None
    try:
        return to_number(value, Reporter())
    except ScalecError:
        return None
