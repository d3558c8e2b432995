"""Syntax tree -> canonical text.

Input: a node. Output: text that parses to an equal node, with the fewest parentheses. Invariant:
equal nodes give equal texts, and printing what was printed changes nothing. `layout` arranges the
texts of this module in lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import assert_never

from scalec.syntax import nodes

# How tightly a node holds together; an operand looser than its place asks for goes into parentheses.
SUM, PRODUCT, SIGN, POWER, ATOM = range(5)
UNCLEAR_POWER = re.compile(r"\^-?[0-9][0-9.eE+-]*$")


# ---- expressions -----------------------------------------------------------------------------
def expression_text(expr: nodes.Expr) -> str:
    """`1/fan_in`, `2*x`, `a + b`, `x^-alpha`, `x^(1/2)`: the fewest parentheses that parse back."""
    return _expression(expr)[0]


def _expression(expr: nodes.Expr) -> tuple[str, int]:
    match expr:
        case nodes.Number(text=text) | nodes.Name(text=text):
            return text, ATOM
        case nodes.Call(function, arguments):
            return f"{function}({', '.join(map(expression_text, arguments))})", ATOM
        case nodes.Negate(operand):
            return f"-{_at_least(SIGN, operand)}", SIGN
        case nodes.Binary("+" | "-" as op, left, right):
            return f"{_at_least(SUM, left)} {op} {_at_least(PRODUCT, right)}", SUM
        case nodes.Binary("*" | "/" as op, left, right):
            text = _at_least(SIGN, right)
            return f"{_dividend(op, left, text)}{op}{text}", PRODUCT
        case nodes.Binary("^", base, exponent):
            return f"{_at_least(ATOM, base)}^{_exponent(exponent)}", POWER
        case nodes.Binary():
            raise AssertionError(f"not an operator: {expr.op}")


def _at_least(strength: int, expr: nodes.Expr) -> str:
    text, own = _expression(expr)
    return text if own >= strength else f"({text})"


def _exponent(expr: nodes.Expr) -> str:
    if isinstance(expr, nodes.Negate):
        return f"-{_at_least(ATOM, expr.operand)}"
    return _at_least(ATOM, expr)


def _dividend(op: str, left: nodes.Expr, right: str) -> str:
    """`x^-1/2` is refused by the parser, so a power over a number stands in parentheses."""
    text = _at_least(PRODUCT, left)
    if op == "/" and right[0].isdigit() and UNCLEAR_POWER.search(text):
        return f"({text})"
    return text


# ---- conditions ------------------------------------------------------------------------------
def condition_text(condition: nodes.Condition) -> str:
    match condition:
        case nodes.Compare(operands, operators):
            first, *rest = map(expression_text, operands)
            return " ".join([first, *(f"{op} {text}" for op, text in zip(operators, rest, strict=True))])
        case nodes.Not(operand):
            return f"not {_in_condition(operand, ())}"
        case nodes.Bool("and", left, right):
            return f"{_in_condition(left, ('and',))} and {_in_condition(right, ())}"
        case nodes.Bool("or", left, right):
            return f"{condition_text(left)} or {_in_condition(right, ('and',))}"
        case nodes.Bool():
            raise AssertionError(f"not a connective: {condition.op}")


def _in_condition(condition: nodes.Condition, bare: tuple[str, ...]) -> str:
    """In parentheses when it is an `and` or `or` that may not stand bare at this place."""
    text = condition_text(condition)
    return f"({text})" if isinstance(condition, nodes.Bool) and condition.op not in bare else text


# ---- references ------------------------------------------------------------------------------
def paths_text(paths: Iterable[nodes.Path]) -> str:
    return ", ".join(path.text for path in paths)


def joint_text(joint: nodes.Joint) -> str:
    return " + ".join(path.text for path in joint.parts)


def regimes_text(regimes: Iterable[nodes.Joint]) -> str:
    return ", ".join(map(joint_text, regimes))


def size_text(size: nodes.Size) -> str:
    return size.name if size.value is None else f"{size.name} = {expression_text(size.value)}"


def sizes_text(sizes: Iterable[nodes.Size]) -> str:
    return ", ".join(map(size_text, sizes))


def argument_text(argument: nodes.Argument) -> str:
    value = argument.value
    text = f"[{paths_text(value)}]" if isinstance(value, tuple) else expression_text(value)
    return text if argument.name is None else f"{argument.name} = {text}"


def arguments_text(arguments: Iterable[nodes.Argument]) -> str:
    return _in_parentheses(", ".join(map(argument_text, arguments)))


def ref_text(ref: nodes.Ref) -> str:
    return ref.path + arguments_text(ref.arguments)


def _in_parentheses(text: str) -> str:
    return f"({text})" if text else ""


def _words(*words: str) -> str:
    return " ".join(word for word in words if word)


def _after(keyword: str, text: str) -> str:
    return f"{keyword} {text}" if text else ""


# ---- clauses ---------------------------------------------------------------------------------
def selector_text(selector: nodes.Selector) -> str:
    match selector:
        case nodes.Path(text=text):
            return text
        case nodes.Pattern(text=text):
            return f'"{text}"'
        case nodes.Everything():
            return "*"
        case _:
            assert_never(selector)


def qualifier_text(qualifier: nodes.Qualifier) -> str:
    if qualifier.condition is not None:
        return f"{qualifier.kind} {condition_text(qualifier.condition)}"
    return f"{qualifier.kind} {paths_text(qualifier.paths) or regimes_text(qualifier.regimes)}"


def statement_text(statement: nodes.Statement) -> str:
    """`init.std ~ 1/fan_in`, `1 - beta1 ~ batch/tokens`, `wd solves timescale ~ 1`."""
    match statement:
        case nodes.Set(attribute=attribute, op=op, value=value, complement=complement):
            return f"{'1 - ' if complement else ''}{attribute} {op} {expression_text(value)}"
        case nodes.Bound(attribute=attribute, order=order):
            return f"require {attribute} ~ {expression_text(order)}"
        case nodes.Solve(attribute=attribute, law=law, order=order):
            return f"{attribute} solves {law} ~ {expression_text(order)}"
        case _:
            assert_never(statement)


def clause_subject(clause: nodes.Clause) -> str:
    """What stands before the brace: `tensor matrix except router in repeat`."""
    return _words(
        clause.kind,
        ", ".join(map(selector_text, clause.selectors)),
        _after("except", ", ".join(map(selector_text, clause.excluded))),
        *map(qualifier_text, clause.qualifiers),
    )


def claim_text(claim: nodes.Claim) -> str:
    places = _after("at", " and ".join(claim.places))
    order = "" if claim.order is None else f"~ {expression_text(claim.order)}"
    return _words(claim.term, claim.miss or "", places, order)


def growth_text(growth: nodes.Growth) -> str:
    return f"{growth.dim} ~ {expression_text(growth.order)}"


def sized_text(item: nodes.Dims | nodes.Fixed) -> str:
    return f"{'dims' if isinstance(item, nodes.Dims) else 'fixed'} {sizes_text(item.sizes)}"


def block_subject(block: nodes.Block) -> str:
    """What stands before the brace: `attention(heads = H, causal) as self`, `repeat L as sparse`."""
    if block.kind == "repeat":
        call = f"repeat {argument_text(block.arguments[0])}"
    else:
        call = block.kind + arguments_text(block.arguments)
    return _words(call, _after("as", block.name or ""))


def setting_text(setting: nodes.Setting) -> str:
    value = _words(
        setting.word or "",
        ref_text(setting.ref) if setting.ref else "",
        sizes_text(setting.sizes),
        expression_text(setting.expr) if setting.expr else "",
    )
    return f"{setting.kind} {value}"


def cite_text(cite: nodes.Cite) -> str:
    return _words("cite", cite.reference, quoted(cite.place))


def quoted(text: str | None) -> str:
    return "" if text is None else f'"{text}"'


# ---- what stands before the brace of a declaration, or all of it ------------------------------
def use_text(use: nodes.Use) -> str:
    target = quoted(use.target) if use.quoted else use.target
    return _words("use", target, _in_parentheses(paths_text(use.names)))


def dim_text(dim: nodes.Dim) -> str:
    return _words("dim", dim.name, "fixed" if dim.fixed else "", quoted(dim.doc))


def law_text(law: nodes.LawDecl) -> str:
    fit, cite = "fit" if law.fitted else "", cite_text(law.cite) if law.cite else ""
    return _words("law", law.name, "=", expression_text(law.value), fit, cite)


def goal_text(goal: nodes.GoalDecl) -> str:
    return f"goal {goal.name} = {joint_text(goal.joint)}"


def derived_text(derived: nodes.Derived) -> str:
    return _words(
        f"rule {derived.name} = derive {paths_text(derived.goals)}",
        _after("for", regimes_text(derived.owners)),
        _after("on", ref_text(derived.network)),
        _after("under", regimes_text(derived.regimes)),
        _after("keep", ref_text(derived.keep) if derived.keep else ""),
    )


def network_subject(network: nodes.NetworkDecl) -> str:
    name = network.name + _in_parentheses(sizes_text(network.params))
    return _words("network", name, _after("extends", ref_text(network.extends) if network.extends else ""))


def optimizer_subject(optimizer: nodes.OptimizerDecl) -> str:
    parent = optimizer.extends.text if optimizer.extends else ""
    return _words("optimizer", optimizer.name, _after("extends", parent))


def rule_subject(rule: nodes.RuleDecl) -> str:
    return _words(
        "rule",
        rule.name + _in_parentheses(sizes_text(rule.params)),
        _after("extends", ", ".join(map(ref_text, rule.parents))),
        _after("for", paths_text(rule.owners)),
    )


def check_subject(check: nodes.CheckDecl) -> str:
    return _words(
        f"check {ref_text(check.rule)} on {ref_text(check.network)}",
        _after("for", regimes_text(check.owners)),
        _after("under", regimes_text(check.regimes)),
    )
