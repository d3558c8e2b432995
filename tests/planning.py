"""Plans and programs for tests: a rule text, names and sizes as the command line writes them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest

from scalec.diagnostics import Diagnostic, Reporter, ScalecError
from scalec.operands import Operands
from scalec.pipeline import PlanRequest, plan
from scalec.plan.model import Plan, Quantity
from scalec.program.lower import lower
from scalec.program.program import Program
from scalec.program.verify import violations
from scalec.resolve.load import Workspace, load_text
from scalec.resolve.networks import resolve_network
from scalec.resolve.rules import RuleSet, resolve_rule
from scalec.source import Source
from scalec.symbolic import formula as f
from scalec.symbolic.text import plain
from scalec.syntax.parser import parse_ref

PACKS = "use std.mup\nuse std.sp\n"


def workspace(text: str) -> Workspace:
    """A file under work that sees the standard packs."""
    return load_text(PACKS + text, "t.scale")


def plan_of(
    text: str,
    at: str | tuple[str, ...] = (),
    *,
    base: str | None = None,
    tune: tuple[str, ...] = (),
    rule: str | None = None,
    network: str | None = "mlp",
    optimizer: str | None = "adam",
) -> Plan:
    """The plan of a rule (the file's only one) on a standard network."""
    sizes = (at,) if isinstance(at, str) else at
    return plan(workspace(text), Operands(rule, network, optimizer), PlanRequest(sizes, base, tune))


def program_of(text: str, name: str = "net") -> Program:
    """The verified program of a network."""
    reporter = Reporter()
    network = resolve_network(workspace(text), parse_ref(Source("name", name)), reporter)
    reporter.stop_on_errors()
    assert network is not None
    program = lower(network, reporter)
    assert_sound(program)
    return program


def rule_of(text: str, name: str = "mine", optimizer: str = "adam") -> RuleSet:
    """A rule with its ancestors, flattened."""
    reporter = Reporter()
    rule = resolve_rule(workspace(text), parse_ref(Source("name", name)), (optimizer,), reporter)
    reporter.stop_on_errors()
    assert rule is not None
    return rule


def diagnostics(call: Callable[[], object]) -> tuple[Diagnostic, ...]:
    """What a call that must fail reports."""
    with pytest.raises(ScalecError) as raised:
        call()
    return raised.value.diagnostics


def said(call: Callable[[], object]) -> list[str]:
    """`SC201 unknown rule ...` for each diagnostic of a call that must fail."""
    return [f"{d.code.id} {d.message}" for d in diagnostics(call)]


def quantity(plan: Plan, name: str) -> Quantity:
    """`hidden.lr`, `logits.scale`, `run.lr`."""
    places = {**{p: t.numbers for p, t in plan.tensor.items()}, **{p: s.numbers for p, s in plan.site.items()}}
    path = max((p for p in (*places, "run") if name.startswith(f"{p}.")), key=len)
    found = (plan.run if path == "run" else places[path])[name.removeprefix(f"{path}.")]
    assert isinstance(found, Quantity)
    return found


def value(plan: Plan, name: str, at: int = 0) -> float:
    """A number of the plan at its `at`-th size."""
    return plan.value(quantity(plan, name), plan.sizes[at])


def law(plan: Plan, name: str) -> str:
    return plain(quantity(plan, name).law)


def order(plan: Plan, name: str, dimension: str = "N") -> Fraction:
    """The exponent of a dimension in the law, every default followed."""
    formula = plan.order_formula(quantity(plan, name).law)
    assert isinstance(formula, f.Product)
    moving = (f.Symbol("size", dimension), f.Symbol("ratio", dimension))
    return sum((e for atom, e in formula.factors if atom in moving), Fraction(0))


def assert_sound(program: Program) -> None:
    """The program keeps to every invariant of the intermediate representation."""
    assert violations(program) == []
