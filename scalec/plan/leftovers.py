"""What is left over once every clause was read: attributes nobody said, laws without a base, idle clauses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from scalec import catalogue as codes
from scalec.diagnostics import Reporter, did_you_mean
from scalec.plan.model import Origin
from scalec.plan.select import Selection, block_names
from scalec.plan.tune import Tune
from scalec.program.blocks import BLOCKS
from scalec.program.program import Program
from scalec.resolve.rules import RuleSet
from scalec.syntax import nodes
from scalec.syntax.printer import clause_subject

SHOWN = 6  # paths in a message


@dataclass
class Leftovers:
    """Noted while a rule is planned. `uncovered`, `anchorless`: the paths of each attribute; `baseless`: who reads a
    dimension relative to a base that it lacks."""

    uncovered: dict[str, list[str]] = field(default_factory=dict)
    baseless: dict[str, Origin] = field(default_factory=dict)
    anchorless: dict[str, dict[str, None]] = field(default_factory=dict)
    used_tunes: set[Tune] = field(default_factory=set)

    def report(self, program: Program, rule: RuleSet, reporter: Reporter) -> None:
        """What the rule leaves open."""
        self._report_baseless(program, reporter)
        for name, lacking in self.anchorless.items():
            reporter.report(
                codes.NO_ANCHOR,
                f"nothing says where `{name}` of {listed(lacking)} starts",
                rule.span,
                helps=[f"`--tune {name}=...`, `run {{ {name} = ... }}` in the rule, or a default of the optimizer"],
            )
        for paths, names in self._unsaid().items():
            what = ", ".join(f"`{name}`" for name in names)
            reporter.report(
                codes.UNCOVERED,
                f"rule `{rule.name}` does not say {what} of {listed(paths)}",
                rule.span,
                helps=[
                    f"`{names[0]} = ...` gives a value, `{names[0]} ~ ...` a law for a value that is tuned or inherited"
                ],
            )

    def _unsaid(self) -> dict[tuple[str, ...], list[str]]:
        """The attributes that the same places lack, by these."""
        found: dict[tuple[str, ...], list[str]] = {}
        for name, paths in self.uncovered.items():
            found.setdefault(tuple(paths), []).append(name)
        return found

    def _report_baseless(self, program: Program, reporter: Reporter) -> None:
        """One finding for all sizes without a base; those that follow another's are left to that one."""
        missing = [n for n in self.baseless if program.dimension[n].default is None]
        if missing:
            first = self.baseless[missing[0]]
            said, asked = (sep.join(f"{m}{eq}..." for m in missing) for sep, eq in ((", ", " = "), (",", "=")))
            reporter.report(
                codes.NO_BASE,
                f"no base size for {listed(missing)}, which `{first.text}` is relative to",
                first.span,
                helps=[f"`base {said}` in the rule, or `--base {asked}`"],
            )

    def report_tunes(self, asked: Iterable[Tune], program: Program, reporter: Reporter) -> None:
        """Tuned values that went nowhere."""
        for tune in asked:
            if tune not in self.used_tunes:
                reporter.report(
                    codes.TUNE,
                    f"`{tune.shown}` matches nothing in network `{program.name}`",
                    tune.span,
                    notes=[_what_there_is("tensor", program)],
                    helps=did_you_mean(tune.selector or "", _tunable(program)),
                )


def report_unknown_blocks(selection: Selection, program: Program, reporter: Reporter) -> None:
    """Clauses of the file under work that speak of a block that no network has; they count as matched."""
    known = (*BLOCKS, *block_names((*program.tensors, *program.sites)))
    for clause in selection.clauses:
        for _, path in clause.around.within:
            if clause.own and path.text not in known:
                selection.matched.add(id(clause))
                reporter.report(
                    codes.UNKNOWN_WORD,
                    f"no block is called `{path.text}`",
                    path.span,
                    helps=did_you_mean(path.text, known),
                )


def report_unmatched(selection: Selection, program: Program, reporter: Reporter) -> None:
    """Clauses of the file under work that select nothing."""
    for clause in selection.clauses:
        if clause.own and clause.node.kind != "run" and id(clause) not in selection.matched:
            reporter.report(
                codes.NO_MATCH,
                f"`{clause_subject(clause.node)}` matches nothing in network `{program.name}`",
                clause.node.span,
                notes=[_what_there_is(clause.node.kind, program)],
            )


def listed(paths: Iterable[str]) -> str:
    """The first few, and how many more."""
    every: Sequence[str] = tuple(paths)
    shown = ", ".join(f"`{p}`" for p in every[:SHOWN])
    return shown if len(every) <= SHOWN else f"{shown} and {len(every) - SHOWN} more"


def _tunable(program: Program) -> Iterator[str]:
    """What a tuned value may be said of."""
    for tensor in program.tensors:
        yield from (tensor.path, tensor.role)
    yield from (role for site in program.sites for role in site.roles)


def _what_there_is(kind: nodes.Kind, program: Program) -> str:
    if kind == "site":
        return f"its sites are {', '.join(dict.fromkeys(role for s in program.sites for role in s.roles))}"
    return f"its roles are {', '.join(dict.fromkeys(t.role for t in program.tensors))}"
