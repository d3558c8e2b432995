"""From conditions of `where`, `require` and `valid` to tests. Input: a tree, the names at a place. Output: a `Test`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from scalec import catalogue as codes
from scalec.diagnostics import Reporter, did_you_mean
from scalec.plan.truth import Comparison, Junction, Known, Negation, Test
from scalec.plan.values import Scope, made_of
from scalec.resolve import vocabulary as words
from scalec.syntax import nodes
from scalec.syntax.names import names_in
from scalec.syntax.printer import expression_text

SAID_ELSEWHERE = (*words.RELATIVE_SIZES, *words.RUN_ATTRIBUTES)
Words = Mapping[str, str]  # that the run says, `schedule`: `cosine`


def to_test(condition: nodes.Condition, scope: Scope, said: Words, reporter: Reporter) -> Test:
    """The condition over the sizes of a place. Raises ScalecError where it means nothing.

    What it says of a size that a place has not, or of what the run does not say, is neither true nor false.
    """
    match condition:
        case nodes.Not(operand):
            return Negation(to_test(operand, scope, said, reporter))
        case nodes.Bool(word, left, right):
            return Junction(word, (to_test(left, scope, said, reporter), to_test(right, scope, said, reporter)))
        case nodes.Compare(operands, operators):
            pairs = zip(pairwise(operands), operators, strict=True)
            tests = tuple(_compare(left, op, right, scope, said, reporter) for (left, right), op in pairs)
            return tests[0] if len(tests) == 1 else Junction("and", tests)


def _compare(left: nodes.Expr, operator: str, right: nodes.Expr, scope: Scope, said: Words, reporter: Reporter) -> Test:
    choices = _choices(left)
    if not choices:
        named = [name.text for name in names_in((left, right))]
        laws = made_of(named, scope.laws)
        for text in (*named, *(name.text for law in laws for name in names_in(law.value))):
            size = text.removeprefix("base.").removeprefix("run.")
            if size in SAID_ELSEWHERE and scope.size(size) is None and text not in scope.known:
                return Known(None, text)
        text = f"{expression_text(left)} {operator} {expression_text(right)}"
        return Comparison(scope.value(left, reporter), operator, scope.value(right, reporter), text)
    assert isinstance(left, nodes.Name)
    if operator not in ("=", "!=") or not isinstance(right, nodes.Name) or right.text not in choices:
        reporter.fail(
            codes.UNKNOWN_WORD, f"`{left.text}` is a word", left.span.to(right.span),
            notes=[f"it is, or is not, one of {', '.join(choices)}"],
            helps=did_you_mean(right.text if isinstance(right, nodes.Name) else "", choices),
        )  # fmt: skip
    name = left.text.removeprefix("run.")
    return Known((said[name] == right.text) == (operator == "=") if name in said else None, name)


def _choices(expr: nodes.Expr) -> tuple[str, ...]:
    """The words that an attribute of the run may be set to, none for what is no such attribute."""
    return words.RUN_ATTRIBUTES.get(expr.text.removeprefix("run."), ()) if isinstance(expr, nodes.Name) else ()
