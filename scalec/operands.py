"""What a command works on: from the user's words to a rule, a network and its optimizers.

Input: a workspace and operands. Output: a `Subject`. A name means the file's own first, then what the
file uses, then a standard pack; where a choice is open, it is asked for and never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from scalec import catalogue as codes
from scalec.check.goals import GOALS
from scalec.derive.clauses import canonical
from scalec.derive.given import problem_of
from scalec.derive.reach import reach
from scalec.derive.write import body_lines
from scalec.diagnostics import Reporter, ScalecError
from scalec.program.lower import lower
from scalec.program.program import Program
from scalec.resolve.goals import resolve_goal
from scalec.resolve.load import Found, Kind, Workspace, Written, load_standard
from scalec.resolve.networks import resolve_network
from scalec.resolve.optimizers import Optimizer, resolve_optimizer
from scalec.resolve.regimes import RegimeDef, find_regime
from scalec.resolve.rules import RuleSet, resolve_rule
from scalec.resolve.standard import standard_files
from scalec.resolve.vocabulary import OWNER
from scalec.source import Source
from scalec.symbolic.order import Regime
from scalec.symbolic.regime import resolve_regime, to_regime
from scalec.syntax import nodes
from scalec.syntax.parser import parse, parse_ref, parse_team
from scalec.syntax.printer import joint_text, ref_text


@dataclass(frozen=True)
class Operands:
    """What a command works on, as the user wrote it; None where the file is to decide.

    `rule` and `network` may carry arguments: `completep(alpha = 1/2)`. `optimizer` may be several at once,
    each on the tensors that the rule gives it: `a + b`. `said` is what named the rule on the command line, an
    option or an argument: messages point there.
    """

    rule: str | None = None
    network: str | None = None
    optimizer: str | None = None
    allowed_classes: tuple[str, ...] = ()
    said: str = "--rule"


@dataclass(frozen=True)
class Subject:
    """A rule on a network under one optimizer or several, resolved: what every analysis starts from."""

    rule: RuleSet
    program: Program
    optimizers: tuple[Optimizer, ...]

    @property
    def team(self) -> tuple[str, ...]:
        return tuple(optimizer.name for optimizer in self.optimizers)


def prepare(workspace: Workspace, operands: Operands) -> Subject:
    """The rule, network and optimizers that operands mean. Raises ScalecError."""
    reporter = Reporter()
    chooser = Chooser(workspace, reporter)
    rule = chooser.ref("rule", operands.rule, operands.said)
    network = chooser.ref("network", operands.network, "--network")
    reporter.stop_on_errors()
    assert rule is not None
    assert network is not None
    team = chooser.team(rule) if operands.optimizer is None else team_of(operands.optimizer)
    reporter.stop_on_errors()
    return chooser.subject(rule, network, team, operands.allowed_classes)


def team_of(text: str) -> tuple[str, ...]:
    """`a + b` as it is written on a command line. Raises ScalecError."""
    return names_of(parse_team(Source("--optimizer", text)))


def names_of(joint: nodes.Joint) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.text for part in joint.parts))


class Chooser:
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

    def subject(
        self, rule: nodes.Ref | None, network: nodes.Ref, team: tuple[str, ...], allowed_classes: tuple[str, ...] = ()
    ) -> Subject:
        """The three resolved, each where it is known; no rule is one that says nothing. Raises ScalecError."""
        report = self.reporter
        found = [resolve_optimizer(self.home("optimizer", o), o, report, None, allowed_classes) for o in team]
        rules = RuleSet("", (), (), (), (), network.span) if rule is None else self._rule(rule, team)
        parts = resolve_network(self.home("network", network.path), network, report)
        report.stop_on_errors()
        assert rules is not None
        assert parts is not None
        return Subject(rules, lower(parts, report), tuple(o for o in found if o))

    def ref(self, kind: Kind, text: str | None, said: str) -> nodes.Ref | None:
        """What `text` names, given as `said`; without one the only one that the file has, else it is asked for."""
        if text is not None:
            return parse_ref(Source(said, text))
        own = self.workspace.unit.leaves(kind)
        known = own or tuple(self.workspace.candidates(kind, self.workspace.main))
        if len(known) == 1:
            found = self.workspace.find(kind, known[0], self.workspace.main, None, self.reporter)
            return nodes.Ref(known[0], span=found.declaration.span) if found else None
        self._ask(kind, known, said)
        return None

    def rule(self, rule: nodes.Ref, team: tuple[str, ...]) -> RuleSet:
        """A rule, resolved where it is known. Raises ScalecError."""
        found = self._rule(rule, team)
        self.reporter.stop_on_errors()
        assert found is not None
        return found

    def _rule(self, rule: nodes.Ref, team: tuple[str, ...]) -> RuleSet | None:
        home = self._written_out(self.home("rule", rule.path), rule.path, team)
        return resolve_rule(home, rule, team, self.reporter)

    def _written_out(self, home: Workspace, rule: str, team: tuple[str, ...]) -> Workspace:
        """The workspace with every derived rule of an ancestry as the clauses that it stands for.

        Ancestors first: what a derivation keeps may itself be derived.
        """
        for found in reversed(tuple(self._ancestry(home, rule))):
            if isinstance(found.declaration, nodes.Derived):
                unit = home.units[found.unit]
                written = self._written(replace(home, main=found.unit), found.declaration, team)
                own = {**unit.own, ("rule", found.declaration.name): written}
                home = replace(home, units={**home.units, found.unit: replace(unit, own=own)})
        return home

    def _written(self, home: Workspace, derived: nodes.Derived, team: tuple[str, ...]) -> nodes.RuleDecl:
        """What was found when it was first asked for, a rule or why there is none. Raises ScalecError."""
        key = home.main, derived.name, team
        if key not in home.written:
            own, rule = Reporter(), None
            try:
                rule = Chooser(home, own)._derived(home, derived, team)
            except ScalecError as error:
                own.diagnostics = list(error.diagnostics)
            home.written[key] = Written(rule, tuple(own.diagnostics))
        found = home.written[key]
        self.reporter.take(found.said)
        if found.rule is None:
            raise ScalecError(found.said)
        return found.rule

    def _derived(self, home: Workspace, derived: nodes.Derived, team: tuple[str, ...]) -> nodes.RuleDecl:
        """`rule mine = derive ...` for a team that it is for; several regimes make a section each."""
        self._require_sound(home, derived, team)
        subject = Chooser(home, self.reporter).subject(derived.keep, derived.network, team)
        goals = [g for p in derived.goals for g in resolve_goal(home, p.text, GOALS, p.span, self.reporter)]
        parent = f" extends {ref_text(derived.keep)}" if derived.keep else ""
        lines = [f"rule {derived.name}{parent} for {', '.join(team)} {{"]
        for joint in derived.regimes:
            regime = resolve_regime(home, joint, self.reporter)
            self.reporter.stop_on_errors()
            assert regime is not None
            problem = problem_of(subject.program, subject.rule, subject.optimizers, regime)
            reached = reach(problem, goals, derived.span)
            body = tuple(body_lines(reached.problem, reached.solution))
            lines += body if len(derived.regimes) == 1 else (f"under {joint_text(joint)} {{", *body, "}")
        [written] = parse(Source(f"rule {derived.name}, as derived", canonical((*lines, "}")))).declarations
        assert isinstance(written, nodes.RuleDecl)
        return written

    def _require_sound(self, home: Workspace, derived: nodes.Derived, team: tuple[str, ...]) -> None:
        """What need not be derived to be seen: unknown names, a rule that keeps itself, other optimizers."""
        own = Reporter()
        resolve_rule(home, nodes.Ref(derived.name, span=derived.span), team, own)
        own.stop_on_errors()
        if set(team) not in (set(names_of(joint)) for joint in derived.owners):
            teams = " or ".join(f"`{joint_text(joint)}`" for joint in derived.owners)
            message = f"rule `{derived.name}` is derived for {teams}, not for `{' + '.join(team)}`"
            self.reporter.fail(codes.UNSUITABLE, message, derived.owners[0].span)

    def use(self, kind: Kind, name: str) -> str:
        """How a file says that it uses what declares a name: `std.x`, or a path in quotes."""
        home = self.home(kind, name)
        found = home.find(kind, name, home.main, None, self.reporter)
        self.reporter.stop_on_errors()
        assert found is not None
        if found.unit in standard_files():
            return found.unit
        file = home.units[found.unit].tree.span.source.name
        return f'"{file}"' if file.startswith(("/", ".")) else f'"./{file}"'

    def regime(self, joint: nodes.Joint) -> Regime | None:
        """What regimes mean that the user named, each where it is known; None where something was reported."""
        before = len(self.reporter.diagnostics)
        parts: list[nodes.RegimeDecl] = []
        for part in joint.parts:
            home = self.home("regime", part.text)
            parts += find_regime(home, replace(joint, parts=(part,)), home.main, self.reporter).parts
        return (
            to_regime(RegimeDef(joint, tuple(parts)), self.reporter)
            if len(self.reporter.diagnostics) == before
            else None
        )

    def only(self, kind: Kind) -> str | None:
        """The one name of a kind that the file knows; asks where there are several."""
        found = self.ref(kind, None, f"--{kind}")
        return found.path if found else None

    def team(self, rule: nodes.Ref) -> tuple[str, ...]:
        """The optimizers that the rule gives tensors to, else the one that it and all its ancestors are for."""
        home = self.home("rule", rule.path)
        if home.find("rule", rule.path, home.main, rule.span, self.reporter) is None:
            return ()  # reported
        teams = self.teams(rule)
        if len(teams) == 1:
            return teams[0]
        self._ask("optimizer", [name for team in teams for name in team], "--optimizer")
        return ()

    def teams(self, rule: nodes.Ref) -> tuple[tuple[str, ...], ...]:
        """What a rule may be planned for where nobody says: what it was derived for, or the optimizers that it gives
        tensors to, all at once, or else each that it is for, alone."""
        home = self.home("rule", rule.path)
        known = home.candidates("optimizer", home.main)
        for found in self._ancestry(home, rule.path):
            if isinstance(found.declaration, nodes.Derived):
                return tuple(names_of(joint) for joint in found.declaration.owners)
        given = dict.fromkeys(o for d in self._parts(home, rule.path) for o in _given(d) if o in known)
        return (tuple(given),) if given else tuple((name,) for name in self.suitable(rule))

    def suitable(self, rule: nodes.Ref) -> tuple[str, ...]:
        """The optimizers that the rule and all its ancestors are for."""
        home = self.home("rule", rule.path)
        named = [tuple(o.text for o in d.owners) for d in self._declared(home, rule.path) if d.owners]
        known = tuple(home.candidates("optimizer", home.main))
        return tuple(o for o in known if all(o in owners for owners in named))

    def _ancestry(self, home: Workspace, name: str) -> Iterator[Found]:
        """A rule and all that it is made of, each once; what is not there is for others to report."""
        waiting, seen = [(name, home.main)], set()
        while waiting:
            path, unit = waiting.pop()
            found = home.find("rule", path, unit, None, Reporter())
            if found is not None and (found.unit, path) not in seen:
                seen.add((found.unit, path))
                yield found
                waiting += [(parent.path, found.unit) for parent in _as_rule(found).parents]

    def _parts(self, home: Workspace, name: str) -> Iterator[tuple[nodes.Part, ...]]:
        return (rule.parts for rule in self._declared(home, name))

    def _declared(self, home: Workspace, name: str) -> Iterator[nodes.RuleDecl]:
        return (_as_rule(found) for found in self._ancestry(home, name))

    def _ask(self, kind: Kind, known: Sequence[str], said: str) -> None:
        source, name = self.workspace.unit.tree.span.source, known[0] if known else "NAME"
        self.reporter.report(
            codes.NO_OPERAND,
            f"which {kind}? nothing names one",
            notes=[f"known here: {', '.join(known)}"] if known else [f"no {kind} is declared or used here"],
            helps=[f"name it: `{said} {name}`" if said.startswith("-") else f"name it: `{source.name}:{name}`"],
        )  # fmt: skip


def _as_rule(found: Found) -> nodes.RuleDecl:
    """A rule's declaration; of a derived one what need not be derived."""
    rule = found.declaration.as_rule if isinstance(found.declaration, nodes.Derived) else found.declaration
    assert isinstance(rule, nodes.RuleDecl)
    return rule


def _given(parts: Iterable[nodes.Part]) -> Iterator[str]:
    """The optimizers that clauses give tensors to."""
    for part in parts:
        if isinstance(part, nodes.Section):
            yield from _given(part.parts)
        elif isinstance(part, nodes.Clause) and part.kind == "tensor":
            said = (s.value for s in part.statements if isinstance(s, nodes.Set) and s.attribute == OWNER)
            yield from (value.text for value in said if isinstance(value, nodes.Name))
