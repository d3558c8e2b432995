"""The passes in order: the table of contents of the compiler.

text -> tree -> files (`load`) -> rule, network, optimizer (`prepare`) -> program -> plan -> files.
Everything here takes values and returns values or raises `ScalecError`; printing and writing are the
command line's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import version

from scalec import catalogue as codes
from scalec.diagnostics import Diagnostic, Reporter, ScalecError
from scalec.emit.files import EmittedFile, emit
from scalec.emit.names import Stamp
from scalec.plan.make import Request
from scalec.plan.make import make_plan as plan_rule
from scalec.plan.model import Plan
from scalec.plan.tune import parse_tune
from scalec.program.lower import lower
from scalec.program.program import Program
from scalec.resolve.load import Kind, Workspace, load_standard, load_text
from scalec.resolve.networks import resolve_network
from scalec.resolve.optimizers import Optimizer, resolve_optimizer
from scalec.resolve.rules import RuleSet, resolve_rule
from scalec.source import Source, Span
from scalec.symbolic.evaluate import to_number
from scalec.syntax import nodes
from scalec.syntax.layout import to_text
from scalec.syntax.parser import parse_ref, parse_sizes


@dataclass(frozen=True)
class Operands:
    """What a command works on, as the user wrote it; None where the file is to decide.

    `rule` and `network` may carry arguments: `completep(alpha = 1/2)`.
    """

    rule: str | None = None
    network: str | None = None
    optimizer: str | None = None
    allowed_classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subject:
    """A rule on a network under an optimizer, resolved: what every analysis starts from."""

    rule: RuleSet
    program: Program
    optimizer: Optimizer
    warnings: tuple[Diagnostic, ...]


@dataclass(frozen=True)
class PlanRequest:
    """Sizes and tuned values as the command line writes them: `N=4096,L=48`, `readout.lr=0.1`."""

    at: tuple[str, ...] = ()
    base: str | None = None
    tunes: tuple[str, ...] = ()


def prepare(workspace: Workspace, operands: Operands) -> Subject:
    """Resolve the operands in a workspace, then in the standard packs. Raises ScalecError."""
    reporter = Reporter()
    chooser = _Chooser(workspace, reporter)
    rule_ref = chooser.ref("rule", operands.rule)
    network_ref = chooser.ref("network", operands.network)
    reporter.stop_on_errors()
    assert rule_ref is not None
    assert network_ref is not None
    name = operands.optimizer or chooser.optimizer(rule_ref)
    reporter.stop_on_errors()
    assert name is not None
    optimizer = resolve_optimizer(chooser.home("optimizer", name), name, reporter, None, operands.allowed_classes)
    rule = resolve_rule(chooser.home("rule", rule_ref.path), rule_ref, [name], reporter)
    network = resolve_network(chooser.home("network", network_ref.path), network_ref, reporter)
    reporter.stop_on_errors()
    assert rule is not None
    assert optimizer is not None
    assert network is not None
    return Subject(rule, lower(network, reporter), optimizer, reporter.ordered)


def plan(workspace: Workspace, operands: Operands, request: PlanRequest) -> Plan:
    """The plan of a rule on a network at sizes. Raises ScalecError."""
    subject = prepare(workspace, operands)
    reporter = Reporter()
    spans: dict[str, Span] = {}
    at = tuple(_sizes("--at", text, spans, reporter) for text in request.at)
    base = _sizes("--base", request.base, spans, reporter) if request.base else {}
    tunes = tuple(tune for text in request.tunes if (tune := parse_tune(text, reporter)))
    reporter.stop_on_errors()
    return plan_rule(
        subject.program, subject.rule, subject.optimizer,
        Request(at, base, tunes, workspace.unit.tree.span.source.name, spans), reporter,
    )  # fmt: skip


def examine(workspace: Workspace) -> tuple[Diagnostic, ...]:
    """Names and kinds of everything the file under work declares; nothing is proved."""
    reporter = Reporter()
    optimizers = tuple(workspace.candidates("optimizer", workspace.main))
    for declaration in workspace.unit.own.values():
        with _collected(reporter) as own:
            match declaration:
                case nodes.NetworkDecl() if all(p.value for p in declaration.params):
                    network = resolve_network(workspace, _as_declared(declaration), own)
                    own.stop_on_errors()
                    assert network is not None
                    lower(network, own)
                case nodes.OptimizerDecl(name):
                    resolve_optimizer(workspace, name, own)
                case nodes.RuleDecl() | nodes.Derived():
                    resolve_rule(workspace, _as_declared(declaration), optimizers, own)
                case _:
                    pass  # a network that needs arguments is examined where it gets them
    for check in workspace.unit.checks:
        workspace.find("rule", check.rule.path, workspace.main, check.rule.span, reporter)
        workspace.find("network", check.network.path, workspace.main, check.network.span, reporter)
        for owner in check.owners:
            workspace.find("optimizer", owner.text, workspace.main, owner.span, reporter)
        for regime in (part for joint in check.regimes for part in joint.parts):
            workspace.find("regime", regime.text, workspace.main, regime.span, reporter)
    return reporter.ordered


def diagnose_text(text: str, name: str = "<string>") -> tuple[Diagnostic, ...]:
    """Everything wrong with a rule file given as text, in order of position."""
    try:
        return examine(load_text(text, name))
    except ScalecError as error:
        return error.diagnostics


@contextmanager
def _collected(reporter: Reporter) -> Iterator[Reporter]:
    """A reporter for one declaration: where it stops, the next one is examined all the same."""
    own = Reporter()
    try:
        yield own
    except ScalecError as error:
        own.diagnostics = list(error.diagnostics)
    reporter.diagnostics.extend(d for d in own.diagnostics if d not in reporter.diagnostics)


def _as_declared(declaration: nodes.NetworkDecl | nodes.RuleDecl | nodes.Derived) -> nodes.Ref:
    """A reference to a declaration; parameters without a default stand for themselves."""
    params = declaration.params if not isinstance(declaration, nodes.Derived) else ()
    open_ = [p for p in params if p.value is None]
    arguments = tuple(nodes.Argument(p.name, nodes.Name(p.name, span=p.span), span=p.span) for p in open_)
    return nodes.Ref(declaration.name, arguments, span=declaration.span)


def compile_files(workspace: Workspace, operands: Operands, request: PlanRequest) -> tuple[EmittedFile, ...]:
    """The texts that `compile` writes, at the one size of the request. Raises ScalecError."""
    made = plan(workspace, operands, request)
    return emit(made, made.sizes[0], Stamp(version("scalec"), fingerprint(workspace, operands)))


def fingerprint(workspace: Workspace, operands: Operands) -> str:
    """SHA-256 of the rule text in canonical form: comments and layout do not change it."""
    texts = sorted(to_text(unit.tree) for unit in workspace.units.values())
    return hashlib.sha256("\0".join((*texts, repr(operands))).encode()).hexdigest()


def _sizes(option: str, text: str, spans: dict[str, Span], reporter: Reporter) -> Mapping[str, Fraction]:
    sizes: dict[str, Fraction] = {}
    for size in parse_sizes(Source(option, text)) if text.strip() else ():
        if size.value is None or size.name in sizes:
            what = "has no value" if size.value is None else "is given twice"
            reporter.report(codes.CONTRADICTION, f"`{size.name}` {what}", size.span)
        else:
            sizes[size.name] = to_number(size.value, reporter)
            spans[size.name] = size.span
    return sizes


class _Chooser:
    """Finds what an operand means: the file's own first, then what it uses, then the standard packs."""

    def __init__(self, workspace: Workspace, reporter: Reporter) -> None:
        self.workspace = workspace
        self.reporter = reporter

    def home(self, kind: Kind, name: str) -> Workspace:
        """The workspace that knows the name; the file's where none does, so that it reports."""
        if name not in self.workspace.candidates(kind, self.workspace.main):
            standard = load_standard()
            if name in standard.candidates(kind, standard.main):
                return standard
        return self.workspace

    def ref(self, kind: Kind, text: str | None) -> nodes.Ref | None:
        if text is not None:
            return parse_ref(Source(f"--{kind}", text))
        own = self._leaves(kind)
        known = own or tuple(self.workspace.candidates(kind, self.workspace.main))
        if len(known) == 1:
            found = self.workspace.find(kind, known[0], self.workspace.main, None, self.reporter)
            return nodes.Ref(known[0], span=found.declaration.span) if found else None
        self._ask(kind, known)
        return None

    def optimizer(self, rule: nodes.Ref) -> str | None:
        """The one optimizer that the rule and all its ancestors are for, if it is one."""
        home = self.home("rule", rule.path)
        named = list(self._owners(home, rule.path))
        if any(d.severity == "error" for d in self.reporter.diagnostics):
            return None
        known = tuple(home.candidates("optimizer", home.main))
        suitable = [o for o in known if all(o in owners for owners in named)]
        if len(suitable) == 1:
            return suitable[0]
        self._ask("optimizer", suitable)
        return None

    def _owners(self, home: Workspace, name: str) -> Iterator[tuple[str, ...]]:
        """What each rule of an ancestry that says `for` is for."""
        waiting, seen = [(name, home.main)], set()
        while waiting:
            path, unit = waiting.pop()
            found = home.find("rule", path, unit, None, self.reporter)
            if found is None or (found.unit, path) in seen or not isinstance(found.declaration, nodes.RuleDecl):
                continue
            seen.add((found.unit, path))
            if found.declaration.owners:
                yield tuple(o.text for o in found.declaration.owners)
            waiting += [(parent.path, found.unit) for parent in found.declaration.parents]

    def _leaves(self, kind: Kind) -> tuple[str, ...]:
        """Names of that kind declared in the file under work that no other one there extends."""
        own = self.workspace.unit.own
        extended = {parent.path for d in own.values() if isinstance(d, nodes.RuleDecl) for parent in d.parents}
        return tuple(name for name in self.workspace.unit.names(kind) if kind != "rule" or name not in extended)

    def _ask(self, kind: Kind, known: Sequence[str]) -> None:
        self.reporter.report(
            codes.NO_OPERAND, f"which {kind}? the file leaves it open",
            notes=[f"known here: {', '.join(known)}"] if known else [f"no {kind} is declared or used here"],
            helps=[f"name it: `--{kind} {known[0] if known else 'NAME'}`"],
        )  # fmt: skip
