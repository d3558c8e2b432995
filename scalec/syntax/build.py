"""Tree -> syntax: one entry per rule of `grammars/scalec.lark`.

Input: lark's tree of one text. Output: the frozen nodes of `nodes`, with spans. Invariant: the walk
is a loop, children first, so no input overflows the stack; and no tree comes out deeper than
`DEPTH`, so whoever reads the nodes may recurse.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeVar

from lark import Token, Tree

from scalec.catalogue import LIMIT, SYNTAX
from scalec.diagnostics import Reporter
from scalec.source import Source, Span
from scalec.syntax import nodes

DEPTH = 200
DIGITS = 40
DECIMAL_EXPONENT = 300
POWER = 100
POWER_DENOMINATOR = 10**6
POWER_BITS = 10_000  # of a number inside an exponent
MISTAKES = 20  # told in one run

T = TypeVar("T")
Method = Callable[..., Any]


def build(tree: Tree[Token], source: Source, offset: int, reporter: Reporter) -> object:
    """The node of `tree`, whose positions count from `offset` in the source."""
    builder = Builder(reporter)
    built: dict[int, object] = {}
    depth: dict[int, int] = {}
    for subtree in tree.iter_subtrees():
        span = _span(subtree, source, offset)
        below = (depth[id(child)] for child in subtree.children if isinstance(child, Tree))
        depth[id(subtree)] = 1 + max(below, default=0)
        if depth[id(subtree)] > DEPTH:
            helps = ("give a part of it a name: a `law`, or a parameter of the rule",)
            reporter.fail(LIMIT, f"nested more than {DEPTH} operations deep", span, helps=helps)
        children = (built[id(c)] if isinstance(c, Tree) else _plain(c) for c in subtree.children)
        built[id(subtree)] = getattr(builder, subtree.data)(span, *children)
        if len(reporter.diagnostics) >= MISTAKES:
            reporter.stop_on_errors()
    return built[id(tree)]


def _span(tree: Tree[Token], source: Source, offset: int) -> Span:
    if tree.meta.empty:
        return Span(source, offset, offset)
    return Span(source, tree.meta.start_pos + offset, tree.meta.end_pos + offset)


def _plain(token: Token | None) -> str | None:
    """A token without its type and place; quotes go, since only a STRING begins with one."""
    return None if token is None else token.value[1:-1] if token.type == "STRING" else str(token.value)


# ---- the regular rules: how the children become fields -----------------------------------------
def _node(kind: Method, *first: object) -> Method:
    """The children are the fields, in order, after those given here."""
    return lambda self, span, *children: kind(*first, *children, span=span)


def _list(kind: Method) -> Method:
    """The children are one field."""
    return lambda self, span, *children: kind(children, span=span)


def _field(kind: Method, word: str, field: str) -> Method:
    """The node says what it is in one word; its one child is the field named."""
    return lambda self, span, child: kind(word, **{field: child}, span=span)


def _items(self: Builder, span: Span, *children: Any) -> tuple[Any, ...]:
    return children


def _itself(self: Builder, span: Span, child: Any) -> Any:
    return child


def _dotted(self: Builder, span: Span, *segments: str) -> str:
    return ".".join(segments)


def _clause(kind: nodes.Kind) -> Method:
    def make(self: Builder, span: Span, *items: object) -> nodes.Clause:
        chosen, excluded = items[0] if items and isinstance(items[0], tuple) else ((), None)
        qualifiers = _only(nodes.Qualifier, items)
        statements = tuple(item for item in items if isinstance(item, nodes.Statement))
        return nodes.Clause(kind, chosen, excluded or (), qualifiers, statements, span=span)

    return make


def _only(kind: type[T], items: tuple[object, ...]) -> tuple[T, ...]:
    return tuple(item for item in items if isinstance(item, kind))


class Builder:
    """Each entry takes the span of its rule and the children in the order of the grammar.

    A child in square brackets there is None where it was not written.
    """

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter

    start = _list(nodes.File)

    def use(self, span: Span, target: nodes.Path | str, names: tuple[nodes.Path, ...] | None) -> nodes.Use:
        quoted = isinstance(target, str)
        return nodes.Use(target if isinstance(target, str) else target.text, quoted, names or (), span=span)

    def dim(self, span: Span, name: str, fixed: str | None, doc: str | None) -> nodes.Dim:
        return nodes.Dim(name, fixed is not None, doc, span=span)

    def law(self, span: Span, name: str, value: nodes.Expr, fit: str | None, cite: nodes.Cite | None) -> nodes.LawDecl:
        return nodes.LawDecl(name, value, fit is not None, cite, span=span)

    def regime(self, span: Span, name: str, joint: nodes.Joint) -> nodes.RegimeDecl:
        return nodes.RegimeDecl(name, joint=joint, span=span)

    def growing(self, span: Span, name: str, *growths: nodes.Growth) -> nodes.RegimeDecl:
        return nodes.RegimeDecl(name, growths, span=span)

    growth = _node(nodes.Growth)

    # ---- networks ----------------------------------------------------------------------------
    def network(
        self,
        span: Span,
        name: str,
        params: tuple[nodes.Size, ...] | None,
        extends: nodes.Ref | None,
        *items: nodes.Dims | nodes.Fixed | nodes.Block | nodes.Let,
    ) -> nodes.NetworkDecl:
        return nodes.NetworkDecl(name, params or (), extends, items, span=span)

    dims = _list(nodes.Dims)
    fixed = _list(nodes.Fixed)
    let = _node(nodes.Let)
    body = _items

    def block(
        self,
        span: Span,
        kind: str,
        arguments: tuple[nodes.Argument, ...] | None,
        name: str | None,
        body: tuple[nodes.Block | nodes.Let, ...] | None,
    ) -> nodes.Block:
        return nodes.Block(kind, arguments or (), name, body, span=span)

    def repeat(
        self, span: Span, count: nodes.Expr, name: str | None, body: tuple[nodes.Block | nodes.Let, ...]
    ) -> nodes.Block:
        argument = nodes.Argument(None, count, span=count.span)
        return nodes.Block("repeat", (argument,), name, body, span=span)

    # ---- optimizers --------------------------------------------------------------------------
    def optimizer(
        self, span: Span, name: str, extends: nodes.Path | None, *settings: nodes.Setting
    ) -> nodes.OptimizerDecl:
        return nodes.OptimizerDecl(name, extends, settings, span=span)

    update = _field(nodes.Setting, "update", "word")
    decay = _field(nodes.Setting, "decay", "word")
    class_ = _field(nodes.Setting, "class", "ref")
    batched = _field(nodes.Setting, "batched", "ref")
    uses = _field(nodes.Setting, "uses", "sizes")
    factor = _field(nodes.Setting, "factor", "expr")
    effect = _field(nodes.Setting, "effect", "expr")

    # ---- rules -------------------------------------------------------------------------------
    def rule(
        self,
        span: Span,
        name: str,
        params: tuple[nodes.Size, ...] | None,
        parents: tuple[nodes.Ref, ...] | None,
        owners: tuple[nodes.Path, ...] | None,
        *parts: nodes.Part,
    ) -> nodes.RuleDecl:
        return nodes.RuleDecl(name, params or (), parents or (), owners or (), parts, span=span)

    derived = _node(nodes.Derived)
    parents = _items
    owners = _itself
    teams = _items
    cite = _node(nodes.Cite)
    base = _list(nodes.Base)
    require = _node(nodes.Demand, "require")
    valid = _node(nodes.Demand, "valid")

    def section(self, span: Span, *items: Any) -> nodes.Section:
        parts = tuple(item for item in items if not isinstance(item, nodes.Qualifier))
        return nodes.Section(_only(nodes.Qualifier, items), parts, span=span)

    tensor = _clause("tensor")
    site = _clause("site")
    selectors = _items
    chosen = _items
    pattern = _node(nodes.Pattern)
    everything = _node(nodes.Everything)

    run = _clause("run")

    def within(self, span: Span, path: nodes.Path) -> nodes.Qualifier:
        return nodes.Qualifier("in", paths=(path,), span=span)

    def without(self, span: Span, path: nodes.Path) -> nodes.Qualifier:
        return nodes.Qualifier("not in", paths=(path,), span=span)

    owned = _field(nodes.Qualifier, "for", "paths")
    under = _field(nodes.Qualifier, "under", "regimes")
    where = _field(nodes.Qualifier, "where", "condition")

    def set(self, span: Span, path: nodes.Path, op: nodes.Op, value: nodes.Expr) -> nodes.Set:
        return nodes.Set(path.text, op, value, span=span)

    def complement(self, span: Span, one: str, path: nodes.Path, op: nodes.Op, value: nodes.Expr) -> nodes.Set:
        if one != "1":
            helps = (f"`1 - {path.text} {op} ...` sets what `{path.text}` lacks to 1",)
            self.reporter.report(SYNTAX, f"`{one} - {path.text}` cannot be set", span, helps=helps)
        return nodes.Set(path.text, op, value, complement=True, span=span)

    def bound(self, span: Span, attribute: nodes.Path, order: nodes.Expr) -> nodes.Bound:
        return nodes.Bound(attribute.text, order, span=span)

    def solve(self, span: Span, attribute: nodes.Path, law: nodes.Path, order: nodes.Expr) -> nodes.Solve:
        return nodes.Solve(attribute.text, law.text, order, span=span)

    operator = _itself

    # ---- checks ------------------------------------------------------------------------------
    goal = _node(nodes.GoalDecl)

    def check(
        self,
        span: Span,
        rule: nodes.Ref,
        network: nodes.Ref,
        owners: tuple[nodes.Joint, ...] | None,
        regimes: tuple[nodes.Joint, ...] | None,
        *claims: nodes.Claim,
    ) -> nodes.CheckDecl:
        return nodes.CheckDecl(rule, network, owners or (), regimes or (), claims, span=span)

    holds = _node(nodes.Claim)

    def misses(self, span: Span, term: str, miss: nodes.Miss, *places: str | None) -> nodes.Claim:
        return nodes.Claim(term, miss, _only(str, places), span=span)

    miss = _itself

    def grows(self, span: Span, term: str, place: str | None, order: nodes.Expr) -> nodes.Claim:
        return nodes.Claim(term, places=() if place is None else (place,), order=order, span=span)

    term = _dotted

    # ---- shared ------------------------------------------------------------------------------
    def path(self, span: Span, *segments: str) -> nodes.Path:
        return nodes.Path(".".join(segments), span=span)

    def ref(self, span: Span, path: nodes.Path, arguments: tuple[nodes.Argument, ...] | None) -> nodes.Ref:
        return nodes.Ref(path.text, arguments or (), span=span)

    names = _items
    regimes = _items
    joint = _list(nodes.Joint)
    params = _items
    sizes = _items
    size = _node(nodes.Size)
    arguments = _items
    named = _node(nodes.Argument)
    positional = _node(nodes.Argument, None)
    list = _itself

    # ---- conditions --------------------------------------------------------------------------
    or_ = _node(nodes.Bool, "or")
    and_ = _node(nodes.Bool, "and")
    not_ = _node(nodes.Not)
    comparison = _itself

    def compare(self, span: Span, *items: nodes.Expr | str) -> nodes.Compare:
        return nodes.Compare(items[::2], items[1::2], span=span)  # type: ignore[arg-type]

    # ---- expressions -------------------------------------------------------------------------
    expression = _itself
    add = _node(nodes.Binary, "+")
    subtract = _node(nodes.Binary, "-")
    multiply = _node(nodes.Binary, "*")
    divide = _node(nodes.Binary, "/")
    negate = _node(nodes.Negate)

    def power(self, span: Span, base: nodes.Expr, exponent: nodes.Expr) -> nodes.Expr:
        value = _constant(exponent)
        if value is not None and (abs(value) > POWER or value.denominator > POWER_DENOMINATOR):
            message = f"the exponent `{exponent.span.text}` is not a small rational number"
            notes = (f"an exponent is at most {POWER} in size, its denominator at most {POWER_DENOMINATOR}",)
            self.reporter.report(LIMIT, message, exponent.span, notes=notes)
        return nodes.Binary("^", base, exponent, span=span)

    def number(self, span: Span, text: str) -> nodes.Number:
        digits, _, exponent = text.lower().partition("e")
        if len(digits) > DIGITS or len(exponent) > DIGITS or abs(int(exponent or 0)) > DECIMAL_EXPONENT:
            notes = (f"a number has at most {DIGITS} digits and a power of ten up to {DECIMAL_EXPONENT}",)
            self.reporter.report(LIMIT, "this number is too long or too large", span, notes=notes)
            text = "1"
        return nodes.Number(text, span=span)

    def name(self, span: Span, path: nodes.Path) -> nodes.Name:
        return nodes.Name(path.text, span=span)

    def call(self, span: Span, function: nodes.Path, *arguments: nodes.Expr) -> nodes.Call:
        return nodes.Call(function.text, arguments, span=span)

    def group(self, span: Span, inner: nodes.Expr) -> nodes.Expr:
        """Parentheses leave no node: they only widen the span that a caret points at."""
        return replace(inner, span=span)


def _constant(expr: nodes.Expr) -> Fraction | None:
    """The value of an exponent made of numbers alone; None where a name decides it later."""
    match expr:
        case nodes.Number():
            return expr.value
        case nodes.Negate(operand):
            value = _constant(operand)
            return None if value is None else -value
        case nodes.Binary(op, left, right):
            return _combined(op, _constant(left), _constant(right))
        case nodes.Name() | nodes.Call():
            return None


def _combined(op: str, left: Fraction | None, right: Fraction | None) -> Fraction | None:
    if left is None or right is None:
        return None
    match op:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return left / right if right else None
        case _:
            return _power(left, right)


def _power(base: Fraction, exponent: Fraction) -> Fraction | None:
    """A power inside an exponent; None where it is no rational number, or larger than it pays to write out."""
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if exponent.denominator > 1 or abs(exponent) * bits > POWER_BITS or (base == 0 and exponent < 0):
        return None
    return base**exponent.numerator
