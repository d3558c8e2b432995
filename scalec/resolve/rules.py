"""From a rule declaration to a flat list of clauses. Input: a workspace and a reference. Output: `RuleSet`.

Each ancestor's clauses come once, at first appearance, parents left to right, then the rule's own:
reading order is precedence, later wins. Parameters are substituted, sections are unfolded, every
word is checked against its closed set. Expressions stay trees: sizes are known only to a program.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from scalec import catalogue as codes
from scalec.diagnostics import Reporter, did_you_mean
from scalec.resolve import vocabulary as words
from scalec.resolve.bind import bind, substitute
from scalec.resolve.laws import laws_named
from scalec.resolve.load import GENERATIONS, Found, Workspace
from scalec.resolve.regimes import RegimeDef, find_regime
from scalec.source import Span
from scalec.syntax import nodes
from scalec.syntax.printer import expression_text


@dataclass(frozen=True)
class Around:
    """What the qualifiers around a part of a rule say, section by section and then its own.

    `owners`: the optimizers it is for, None for all. `within`: blocks to stand in, or not. `under`: regimes, of
    which one in each group must be the active one. `where`: conditions, all of which must hold.
    """

    owners: frozenset[str] | None = None
    within: tuple[tuple[bool, nodes.Path], ...] = ()
    under: tuple[tuple[RegimeDef, ...], ...] = ()
    where: tuple[nodes.Condition, ...] = ()


@dataclass(frozen=True)
class RuleClause:
    """One clause with what surrounds it. `own`: it stands in the file under work, so that matching nothing is a
    mistake; an inherited clause may match nothing. `laws`: those that it names, and what these name."""

    rule: str
    node: nodes.Clause
    around: Around
    own: bool
    laws: tuple[nodes.LawDecl, ...] = ()

    @property
    def said(self) -> tuple[nodes.Set | nodes.Solve, ...]:
        """The statements that give something a value, and not only require one."""
        return tuple(s for s in self.node.statements if not isinstance(s, nodes.Bound))


@dataclass(frozen=True)
class RuleDemand:
    """`require` or `valid` of a rule, with what surrounds it."""

    rule: str
    node: nodes.Demand
    around: Around
    laws: tuple[nodes.LawDecl, ...] = ()


@dataclass(frozen=True)
class RuleSet:
    """A rule with its ancestors: clauses in order of precedence, what it demands of sizes and of the run, base sizes,
    citations with the rules they stand in."""

    name: str
    clauses: tuple[RuleClause, ...]
    demands: tuple[RuleDemand, ...]
    base: tuple[nodes.Size, ...]
    cites: tuple[tuple[str, nodes.Cite], ...]
    span: Span


def resolve_rule(
    workspace: Workspace, ref: nodes.Ref, owners: Iterable[str], reporter: Reporter, unit: str | None = None
) -> RuleSet | None:
    """The rule that `ref` means in a file, for the given optimizers."""
    found = workspace.find("rule", ref.path, unit or workspace.main, ref.span, reporter)
    if found is None:
        return None
    flattener = _Flattener(workspace, tuple(owners), reporter)
    flattener.visit(found, ref, ())
    return RuleSet(
        ref.path,
        tuple(flattener.clauses),
        tuple(flattener.demands),
        tuple(flattener.base),
        tuple(flattener.cites),
        ref.span,
    )


class _Flattener:
    def __init__(self, workspace: Workspace, optimizers: tuple[str, ...], reporter: Reporter) -> None:
        self.workspace = workspace
        self.optimizers = optimizers
        self.reporter = reporter
        self.clauses: list[RuleClause] = []
        self.demands: list[RuleDemand] = []
        self.base: list[nodes.Size] = []
        self.cites: list[tuple[str, nodes.Cite]] = []
        self.head: frozenset[str] | None = None  # the optimizers that the rule in hand is headed for
        self.done: dict[tuple[str, str], tuple[dict[str, nodes.Expr], nodes.Ref]] = {}

    def visit(self, found: Found, ref: nodes.Ref, path: tuple[tuple[str, str], ...]) -> None:
        rule = found.declaration
        if isinstance(rule, nodes.Derived):  # names alone are looked at: it is not written out
            rule = rule.as_rule
        assert isinstance(rule, nodes.RuleDecl)
        key = (found.unit, rule.name)
        if key in path:
            self.reporter.report(codes.CYCLE, f"rule `{rule.name}` extends itself", ref.span)
            return
        if len(path) >= GENERATIONS:
            self.reporter.fail(codes.LIMIT, f"rule `{rule.name}` is an ancestor in generation {len(path)}", ref.span)
        bindings = bind(rule.name, rule.params, ref, self.reporter)
        if key in self.done:
            self._same_again(rule, ref, bindings, self.done[key])
            return
        for parent in rule.parents:
            parent_found = self.workspace.find("rule", parent.path, found.unit, parent.span, self.reporter)
            if parent_found:
                self.visit(parent_found, substitute(parent, bindings), (*path, key))
        self.done[key] = (bindings, ref)
        known = self.workspace.candidates("optimizer", found.unit)
        owners = self._owners(rule.owners, found.unit)
        if owners is not None and owners <= known.keys() and not owners & set(self.optimizers):
            self.reporter.report(
                codes.UNSUITABLE,
                f"rule `{rule.name}` is for {_and(sorted(owners))}, not for {_and(self.optimizers)}",
                rule.owners[0].span,
            )
        self.head = owners
        self._parts(rule.name, substitute(rule.parts, bindings), Around(owners), found.unit)

    def _same_again(
        self,
        rule: nodes.RuleDecl,
        ref: nodes.Ref,
        bindings: dict[str, nodes.Expr],
        before: tuple[dict[str, nodes.Expr], nodes.Ref],
    ) -> None:
        if bindings == before[0]:
            return
        texts = [", ".join(f"{k} = {expression_text(v)}" for k, v in b.items()) for b in (before[0], bindings)]
        self.reporter.report(
            codes.ARGUMENTS,
            f"rule `{rule.name}` is inherited twice with different arguments",
            ref.span,
            labels=[(before[1].span, f"here with {texts[0]}")],
            notes=[f"now with {texts[1]}"],
        )

    def _owners(self, paths: tuple[nodes.Path, ...], unit: str) -> frozenset[str] | None:
        for path in paths:
            self.workspace.find("optimizer", path.text, unit, path.span, self.reporter)
        return frozenset(p.text for p in paths) if paths else None

    def _parts(self, rule: str, parts: tuple[nodes.Part, ...], around: Around, unit: str) -> None:
        for part in parts:
            match part:
                case nodes.Cite():
                    if around.owners is None or around.owners & set(self.optimizers):
                        self.cites.append((rule, part))
                case nodes.Base():
                    self._base(part.sizes, unit)
                case nodes.Demand():
                    laws = laws_named(self.workspace, part, unit, self.reporter)
                    self.demands.append(RuleDemand(rule, part, around, laws))
                case nodes.Section():
                    self._parts(rule, part.parts, self._qualify(part.qualifiers, around, unit), unit)
                case nodes.Clause():
                    inside = self._qualify(part.qualifiers, around, unit)
                    if self._check_clause(part, unit, inside.owners != self.head):
                        laws = laws_named(self.workspace, (part, inside.where), unit, self.reporter)
                        self.clauses.append(RuleClause(rule, part, inside, unit == self.workspace.main, laws))

    def _base(self, sizes: tuple[nodes.Size, ...], unit: str) -> None:
        for size in sizes:
            self.workspace.find("dimension", size.name, unit, size.span, self.reporter)
            if size.value is None:
                self.reporter.report(codes.MISSING_SIZE, f"`base {size.name}` has no value", size.span)
            else:
                self.base.append(size)

    def _qualify(self, qualifiers: tuple[nodes.Qualifier, ...], around: Around, unit: str) -> Around:
        """What is around the inside of these qualifiers."""
        for qualifier in qualifiers:
            match qualifier.kind:
                case "for":
                    named = self._owners(qualifier.paths, unit) or frozenset()
                    around = replace(around, owners=named if around.owners is None else around.owners & named)
                case "in" | "not in":
                    paths = ((qualifier.kind == "in", path) for path in qualifier.paths)
                    around = replace(around, within=(*around.within, *paths))
                case "under":
                    found = tuple(find_regime(self.workspace, j, unit, self.reporter) for j in qualifier.regimes)
                    around = replace(around, under=(*around.under, found))
                case "where":
                    assert qualifier.condition is not None
                    around = replace(around, where=(*around.where, qualifier.condition))
        return around

    def _check_clause(self, clause: nodes.Clause, unit: str, owned: bool) -> bool:
        before = len(self.reporter.diagnostics)
        known = {
            "tensor": (*words.SHAPE_CLASSES, *words.with_wholes(words.ROLES)),
            "site": words.SITES,
            "run": (),
        }
        for selector in (*clause.selectors, *clause.excluded):
            if isinstance(selector, nodes.Path) and selector.text not in known[clause.kind]:
                what = "shape class or role" if clause.kind == "tensor" else "site"
                self.reporter.report(
                    codes.UNKNOWN_WORD,
                    f"unknown {what} `{selector.text}`",
                    selector.span,
                    helps=did_you_mean(selector.text, known[clause.kind]),
                    notes=() if clause.kind == "tensor" else (f"the sites are {', '.join(words.SITES)}",),
                )
        for statement in clause.statements:
            if clause.kind == "tensor" and isinstance(statement, nodes.Set) and statement.attribute == words.OWNER:
                self._check_owner(statement, unit, owned)
            else:
                self._check_statement(clause.kind, statement, unit)
        return len(self.reporter.diagnostics) == before

    def _check_owner(self, statement: nodes.Set, unit: str, owned: bool) -> None:
        """`optimizer = NAME`, of an optimizer that this file sees; `owned`: it stands in a section `for` some."""
        if owned:
            self.reporter.report(
                codes.OWNER, "who owns a tensor is decided before what is said `for` its owner", statement.span,
                helps=[f"`{words.OWNER} = ...` stands outside of `for`"],
            )  # fmt: skip
        elif statement.op == "=" and isinstance(statement.value, nodes.Name):
            self.workspace.find("optimizer", statement.value.text, unit, statement.value.span, self.reporter)
        else:
            message = f"`{words.OWNER}` is the name of an optimizer and takes `=` only"
            self.reporter.report(codes.UNKNOWN_WORD, message, statement.span)

    def _check_statement(self, kind: nodes.Kind, statement: nodes.Statement, unit: str) -> None:
        attributes = words.ATTRIBUTES[kind]
        if statement.attribute not in attributes:
            known = (*attributes, *([words.OWNER] if kind == "tensor" else []))
            self.reporter.report(
                codes.UNKNOWN_WORD,
                f"a {kind} has no attribute `{statement.attribute}`",
                statement.span,
                notes=[f"its attributes are {', '.join(known)}"],
                helps=did_you_mean(statement.attribute, known),
            )
            return
        choices = attributes[statement.attribute]
        if not isinstance(statement, nodes.Set):
            if isinstance(statement, nodes.Solve):
                self.workspace.find("law", statement.law, unit, statement.span, self.reporter)
            if choices:
                message = f"`{statement.attribute}` is a word, and no law makes one"
                self.reporter.report(codes.UNKNOWN_WORD, message, statement.span)
            return
        text = expression_text(statement.value)
        if choices and not (statement.op == "=" and isinstance(statement.value, nodes.Name) and text in choices):
            is_word = statement.op == "="
            self.reporter.report(
                codes.UNKNOWN_WORD,
                f"`{statement.attribute}` " + (f"cannot be `{text}`" if is_word else "is a word and takes `=` only"),
                statement.value.span if is_word else statement.span,
                notes=[f"it is one of {', '.join(choices)}"],
                helps=did_you_mean(text, choices),
            )


def _and(names: Iterable[str]) -> str:
    quoted = [f"`{n}`" for n in names]
    return " and ".join(quoted) if len(quoted) < 3 else ", ".join(quoted)
