"""What a rule gives and what it leaves open. Input: a rule on a program. Output: a `Problem`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from scalec.calculus.scaling import Scaling
from scalec.calculus.structure import Structure
from scalec.derive.problem import DECAY, EPSILON, FACTOR, INIT, RATE, Lever, Problem
from scalec.plan.make import Request, make_one_plan
from scalec.plan.model import Plan
from scalec.plan.orders import scaling
from scalec.program.ops import Bias
from scalec.program.program import Program
from scalec.resolve.optimizers import Optimizer
from scalec.resolve.rules import RuleSet
from scalec.symbolic.dominance import Cell
from scalec.symbolic.order import Regime


def problem_of(program: Program, rule: RuleSet, optimizers: Sequence[Optimizer], regime: Regime) -> Problem:
    """Biases of which the rule says nothing start at zero, all else at its placeholder. Raises ScalecError."""
    plan = make_one_plan(program, rule, optimizers, Request(cell=Cell(regime), partial=True))
    left = frozenset(_open(plan))
    biases = {op.tensor for op in Structure(program).operations if isinstance(op, Bias)}
    given = scaling(plan)
    tensors = {
        path: replace(t, init=None) if path in biases and Lever(path, INIT) in left else t
        for path, t in given.tensors.items()
    }
    owners = {t.tensor.path: t.optimizer for t in plan.tensors if t.optimizer}
    return Problem(program, Scaling(tensors, given.sites), left, regime, frozenset(_decided(plan)), owners)


def _open(plan: Plan) -> Iterator[Lever]:
    """The attributes that no clause speaks of."""
    for tensor in plan.tensors:
        for name in (INIT, RATE, EPSILON, DECAY):
            number = tensor.said.get(name)
            if number and not number.origins:
                yield Lever(tensor.tensor.path, name)
    for site in plan.sites:
        if not site.numbers[FACTOR].origins:
            yield Lever(site.site.path, FACTOR)


def _decided(plan: Plan) -> Iterator[Lever]:
    """What clauses say of structure: how a tensor is drawn, whether copies differ, whether it is trained."""
    for tensor in plan.tensors:
        said = {"init": tensor.init, "init.shared": tensor.shared, "frozen": tensor.frozen}
        yield from (Lever(tensor.tensor.path, name) for name, choice in said.items() if choice and choice.origins)
