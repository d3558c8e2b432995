"""Hypothesis strategies for whole syntax trees: everything that can be written, and nothing else.

Spans are all alike, since they never take part in equality.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from scalec.source import Source, Span
from scalec.syntax import nodes

NOWHERE = Span(Source("<generated>", ""), 0, 0)

names = st.sampled_from(["a", "lr", "N", "fan_in", "x_1", "Ne", "wd", "eps", "zeta"])
segments = st.lists(names, min_size=1, max_size=3)
numbers = st.sampled_from(["0", "1", "2", "0.02", "1e-8", "3.5E+2", "64"])
texts = st.text(st.characters(exclude_characters='"\n\r\0', exclude_categories=["Cs"]), max_size=8)


def node(kind: Any, *fields: Any, **named: Any) -> st.SearchStrategy[Any]:
    return st.builds(kind, *fields, **named, span=st.just(NOWHERE))


def some(items: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, min_size=least, max_size=3).map(tuple)


dotted = segments.map(".".join)
paths = node(nodes.Path, dotted)
leaves = node(nodes.Number, numbers) | node(nodes.Name, dotted)


def _larger(smaller: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    binary = node(nodes.Binary, st.sampled_from("+-*/"), smaller, smaller)
    small = node(nodes.Number, st.sampled_from(["2", "0.5"])) | node(nodes.Name, dotted)
    exponents = small | node(nodes.Negate, small) | smaller.filter(_is_free_of_numbers)
    power = node(nodes.Binary, st.just("^"), smaller, exponents)
    return binary | power | node(nodes.Negate, smaller) | node(nodes.Call, dotted, some(smaller, 1))


def _is_free_of_numbers(expr: Any) -> bool:
    """Constant exponents are limited in size, so that the larger ones here hold names alone."""
    match expr:
        case nodes.Number():
            return False
        case nodes.Negate(operand):
            return _is_free_of_numbers(operand)
        case nodes.Binary(_, left, right):
            return _is_free_of_numbers(left) and _is_free_of_numbers(right)
        case _:
            return True


expressions = st.recursive(leaves, _larger, max_leaves=8)

compares = st.integers(1, 2).flatmap(
    lambda n: node(
        nodes.Compare,
        st.tuples(*[expressions] * (n + 1)),
        st.tuples(*[st.sampled_from(["<=", ">=", "<", ">", "=", "!="])] * n),
    )
)
conditions = st.recursive(
    compares,
    lambda inner: node(nodes.Not, inner) | node(nodes.Bool, st.sampled_from(["and", "or"]), inner, inner),
    max_leaves=4,
)

sizes = some(node(nodes.Size, names, st.none() | expressions), 1)
params = st.just(()) | sizes
arguments = some(node(nodes.Argument, st.none() | names, expressions | some(paths, 1)))
refs = node(nodes.Ref, dotted, arguments)
joints = node(nodes.Joint, some(paths, 1))
regimes = some(joints, 1)
owners = some(paths)

uses = node(nodes.Use, dotted, st.just(False), some(paths)) | node(nodes.Use, texts, st.just(True), some(paths))
dims = node(nodes.Dim, names, st.booleans(), st.none() | texts)
growths = node(nodes.Growth, names, expressions)
regime_declarations = node(nodes.RegimeDecl, names, some(growths)) | node(nodes.RegimeDecl, names, joint=joints)
citations = node(nodes.Cite, st.sampled_from(["arXiv:2203.03466", "doi:10.1/x", "https://a.b/c#d"]), st.none() | texts)
laws = node(nodes.LawDecl, names, expressions, st.booleans(), st.none() | citations)

blocks = st.recursive(
    node(nodes.Block, names, arguments, st.none() | names),
    lambda inner: (
        node(nodes.Block, names, arguments, st.none() | names, some(inner))
        | node(nodes.Let, names, some(inner))
        | node(
            nodes.Block,
            st.just("repeat"),
            st.tuples(node(nodes.Argument, st.none(), expressions)),
            st.none() | names,
            some(inner),
        )
    ),
    max_leaves=6,
)
networks = node(
    nodes.NetworkDecl,
    names,
    params,
    st.none() | refs,
    some(node(nodes.Dims, sizes) | node(nodes.Fixed, sizes) | blocks),
)

settings = (
    node(nodes.Setting, st.sampled_from(["update", "decay"]), word=names)
    | node(nodes.Setting, st.sampled_from(["class", "batched"]), ref=refs)
    | node(nodes.Setting, st.just("uses"), sizes=sizes)
    | node(nodes.Setting, st.sampled_from(["factor", "effect"]), expr=expressions)
)
optimizers = node(nodes.OptimizerDecl, names, st.none() | paths, some(settings))

selectors = some(paths | node(nodes.Pattern, texts) | node(nodes.Everything), 1)
qualifiers = (
    node(nodes.Qualifier, st.sampled_from(["in", "not in"]), paths=st.tuples(paths))
    | node(nodes.Qualifier, st.just("for"), paths=some(paths, 1))
    | node(nodes.Qualifier, st.just("under"), regimes=regimes)
    | node(nodes.Qualifier, st.just("where"), condition=conditions)
)
statements = (
    node(nodes.Set, dotted, st.sampled_from(["=", "~", "*=", "*~"]), expressions, complement=st.booleans())
    | node(nodes.Solve, dotted, dotted, expressions)
    | node(nodes.Bound, dotted, expressions)
)
clauses = node(
    nodes.Clause,
    st.sampled_from(["tensor", "site"]),
    selectors,
    st.just(()) | selectors,
    some(qualifiers),
    some(statements),
) | node(nodes.Clause, st.just("run"), st.just(()), st.just(()), some(qualifiers), some(statements))
parts = st.recursive(
    citations
    | node(nodes.Base, sizes)
    | node(nodes.Demand, st.sampled_from(["require", "valid"]), conditions)
    | clauses,
    lambda inner: node(nodes.Section, some(qualifiers, 1), some(inner)),
    max_leaves=4,
)
rules = node(nodes.RuleDecl, names, params, some(refs), owners, some(parts))
derived = node(nodes.Derived, names, some(paths, 1), some(joints, 1), refs, regimes, st.none() | refs)

terms = st.lists(names | st.just("*"), min_size=1, max_size=3).map(".".join)
claims = (
    node(nodes.Claim, terms)
    | node(nodes.Claim, terms, st.sampled_from(("fails", "undetermined")), some(terms))
    | node(nodes.Claim, terms, st.none(), st.just(()) | st.tuples(terms), order=expressions)
)
goals = node(nodes.GoalDecl, names, joints)
checks = node(nodes.CheckDecl, refs, refs, some(joints), some(joints), some(claims))

files = node(
    nodes.File,
    some(uses | dims | regime_declarations | laws | networks | optimizers | rules | derived | goals | checks),
)
