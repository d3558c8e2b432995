"""A rule file to begin with. Input: a resolved rule, a program, an optimizer, published checks. Output: text.

Invariant: the text checks, plans and compiles as it stands, and `fmt` leaves it alone. Numbers are
those of the rule and of the optimizer; base sizes nobody published are small ones.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from scalec.diagnostics import Reporter
from scalec.plan import sizes as plan_sizes
from scalec.program.program import Program
from scalec.resolve.optimizers import Optimizer
from scalec.resolve.rules import RuleSet
from scalec.source import Source
from scalec.symbolic.formula import symbols
from scalec.syntax import nodes
from scalec.syntax.layout import to_text
from scalec.syntax.parser import parse
from scalec.syntax.printer import claim_text, expression_text, joint_text, ref_text, regimes_text

WIDE, DEEP = 256, 2  # base sizes: of what a tensor has a side of, and of everything else


@dataclass(frozen=True)
class Start:
    """What the file is made of. `packs`: where the names come from; `checks`: what the rule's own pack claims."""

    rule: nodes.Ref
    network: nodes.Ref
    packs: tuple[str, ...]
    resolved: RuleSet
    program: Program
    optimizers: tuple[Optimizer, ...]
    checks: tuple[nodes.CheckDecl, ...]


def starter_text(start: Start, file: str) -> str:
    """The file; `file` is what the commands in its first comment call it."""
    name = "mine" if start.rule.path != "mine" else "ours"
    base, target, regime = _sizes(start, 1), _sizes(start, 2), _regime(start)
    file = shlex.quote("".join(char if char.isprintable() else "?" for char in file))
    lines = [
        f"# Rule `{start.rule.path}` on network `{start.network.path}`, to begin with.",
        f"#   scalec check {file}",
        f"#   scalec plan {file} --network {start.network.path} --at {target}{regime}",
        f"#   scalec compile {file} --network {start.network.path} --at {target}{regime} -o out",
        *(f"use {pack}" for pack in start.packs),
        "",
        "# Everything that the parent says holds, until a later clause says otherwise.",
        f"rule {name} extends {ref_text(start.rule)} for {', '.join(o.name for o in start.optimizers)} {{",
        "# The size at which values are tuned. Laws (`~`) are 1 here and move them from here.",
        f"base {base.replace(',', ', ')}",
        *_run(start),
        "# Clauses of your own: `tensor readout { lr *= 2 }`, `site residual { scale ~ depth^-1 }`.",
        "}",
        *_checks(start, name),
    ]
    return to_text(parse(Source(file, "\n".join(lines))))


def _sizes(start: Start, factor: int) -> str:
    """`N=256,L=2`: the rule's base sizes, and one for every size that nothing else determines."""
    said = {s.name: s.value for s in start.resolved.base if s.value is not None}
    sides = {s.name for t in start.program.tensors for side in t.shape for s in symbols(side)}
    wide = next((w for w in range(WIDE, 2 * WIDE) if _is_whole(start.program, w)), WIDE)
    sizes = {}
    for dim in start.program.dimensions:
        if dim.name in said:
            sizes[dim.name] = expression_text(said[dim.name]) + (f"*{factor}" if factor > 1 else "")
        elif dim.name in start.program.shares and dim.default is None:
            sizes[dim.name] = f"1/{factor}" if factor > 1 else "1"
        elif dim.default is None and dim.fixed is None:
            sizes[dim.name] = str((wide * factor) if dim.name in sides else DEEP)
    return ",".join(f"{name}={size}" for name, size in sizes.items())


def _is_whole(program: Program, wide: int) -> bool:
    """Whether the network can be built at a width, its heads and all that follows from defaults."""
    reporter = Reporter()
    free = [d.name for d in program.dimensions if d.default is None and d.fixed is None]
    sizes = {name: Fraction(1 if name in program.shares else wide) for name in free}
    plan_sizes.target(program, sizes, {}, {}, reporter)
    return not reporter.diagnostics


def _regime(start: Start) -> str:
    """A regime to begin with where the rule has clauses under some."""
    named = [found for clause in start.resolved.clauses for group in clause.around.under for found in group]
    return f" --regime {joint_text(named[0].joint).replace(' ', '')}" if named else ""


def _run(start: Start) -> Iterator[str]:
    """What the optimizers start from, as far as no ancestor says it."""
    said = "# Where tuning starts; `scalec plan --tunables` lists all there is to tune."
    for optimizer in start.optimizers:
        values = _first(start, optimizer)
        if values:
            yield from (said, f"run {f'for {optimizer.name} ' * (len(start.optimizers) > 1)}{{ {'; '.join(values)} }}")
            said = ""


def _first(start: Start, optimizer: Optimizer) -> list[str]:
    own = [c for c in start.resolved.clauses if c.node.kind == "run"]
    theirs = [c for c in own if c.around.owners is None or optimizer.name in c.around.owners]
    said = {s.attribute for clause in theirs for s in clause.said}
    return [f"{n} = {expression_text(v)}" for n, v in optimizer.uses if v is not None and n not in said]


def _checks(start: Start, name: str) -> Iterator[str]:
    if start.checks:
        yield ""
        yield "# What the parent's pack claims of it here."
    for check in start.checks:
        under = f" under {regimes_text(check.regimes)}" if check.regimes else ""
        claims = ", ".join(map(claim_text, check.claims))
        team = " + ".join(o.name for o in start.optimizers)
        yield f"check {name} on {ref_text(start.network)} for {team}{under} {{ expect {claims} }}"


def published(
    declared: Iterable[nodes.CheckDecl], rule: nodes.Ref, network: nodes.Ref, team: tuple[str, ...]
) -> tuple[nodes.CheckDecl, ...]:
    """The checks about just this rule, network and optimizers, by name."""
    return tuple(
        check
        for check in declared
        if check.rule == rule and check.network == network and (not check.owners or set(team) in _teams(check))
    )


def _teams(check: nodes.CheckDecl) -> list[set[str]]:
    return [{part.text for part in joint.parts} for joint in check.owners]
