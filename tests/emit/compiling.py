"""Plans for the emitter's tests, from a rule text and sizes. No command line, no files."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from scalec.diagnostics import Reporter
from scalec.plan.make import Request, make_plan
from scalec.plan.model import Plan
from scalec.program.lower import lower
from scalec.resolve.load import load_text
from scalec.resolve.networks import resolve_network
from scalec.resolve.optimizers import resolve_optimizer
from scalec.resolve.rules import resolve_rule
from scalec.source import Source, Span
from scalec.syntax import nodes

Sizes = Mapping[str, int]


def plan_of(
    text: str, *at: Sizes, rule: str = "mine", network: str = "gpt", optimizer: str = "adamw", file: str = "t.scale"
) -> Plan:
    """The plan of `rule` in `text` on a network, at the given sizes."""
    reporter, workspace = Reporter(), load_text(text, file)
    nowhere = Span(Source(file, text), 0, 0)
    net = resolve_network(workspace, nodes.Ref(network, span=nowhere), reporter)
    owner = resolve_optimizer(workspace, optimizer, reporter)
    rules = resolve_rule(workspace, nodes.Ref(rule, span=nowhere), (optimizer,), reporter)
    reporter.stop_on_errors()
    assert net and owner and rules
    request = Request([{n: Fraction(v) for n, v in sizes.items()} for sizes in at], file=file)
    return make_plan(lower(net, reporter), rules, owner, request, reporter)
