"""`make_plan`: a rule on a program at sizes. Input: resolved objects. Output: a frozen `Plan`.

Tensors that the same clauses select, with the same relative sizes, share their values: the work is
linear in tensors and does not grow with layers, heads or sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from scalec import catalogue as codes
from scalec.calculus.forward import UnsupportedError
from scalec.diagnostics import Reporter
from scalec.plan import regimes
from scalec.plan import sizes as size_table
from scalec.plan.bound import report_bound_apart
from scalec.plan.demands import unmet
from scalec.plan.guards import Decider
from scalec.plan.horizon import with_run_sizes
from scalec.plan.laws import Solver
from scalec.plan.leftovers import Leftovers, report_unknown_blocks, report_unmatched
from scalec.plan.model import Choice, Plan, PlannedSite, PlannedTensor, Quantity
from scalec.plan.owners import Owners
from scalec.plan.reading import Reader, Values, constants, default, quotient
from scalec.plan.run import Group, by_need, solved_at
from scalec.plan.sane import check_values
from scalec.plan.select import Selection, called
from scalec.plan.tune import Tune
from scalec.plan.values import Number, Scope, Word
from scalec.program.program import Program, Site, Tensor
from scalec.resolve import vocabulary as words
from scalec.resolve.optimizers import ATTRIBUTES, Optimizer
from scalec.resolve.rules import Around, RuleClause, RuleSet
from scalec.source import Span
from scalec.symbolic import formula as f
from scalec.symbolic.dominance import Cell, UndecidedError
from scalec.symbolic.evaluate import to_number
from scalec.symbolic.formula import UNIT, ZERO, Formula
from scalec.symbolic.order import Regime
from scalec.syntax import nodes
from scalec.syntax.printer import cite_text, clause_subject

MUST_BE_SAID = ("lr", "eps", "wd")
Defaults = Mapping[str, nodes.Expr | None]
OF_THE_RUN = frozenset(words.RUN_ATTRIBUTES) - frozenset(ATTRIBUTES)  # batch, steps, ...: of no optimizer


@dataclass(frozen=True)
class Request:
    """What the user asked for beside the rule: sizes, base sizes, tuned values.

    `places` are where each of `at`, and then `base`, names its sizes; `file` is what the plan calls itself.
    `regime` is the one that `under` clauses are held against, None to take the cell's or to tell it by what moved.
    With a `cell` of directions no size has a number, so that laws need no base and values no anchor; conditions are
    decided in the limit there. `partial`: what the rule does not say is 1, and has no origin.
    """

    at: Sequence[Mapping[str, Fraction]] = ()
    base: Mapping[str, Fraction] = field(default_factory=dict)
    tunes: Sequence[Tune] = ()
    file: str = "<string>"
    places: Sequence[Mapping[str, Span]] = ()
    regime: Regime | None = None
    cell: Cell | None = None
    partial: bool = False


Planned = dict[object, PlannedTensor]  # by all that decides a tensor's plan where no condition does


def make_plan(
    program: Program, rule: RuleSet, optimizers: Sequence[Optimizer], request: Request, reporter: Reporter,
    planned: Planned | None = None,
) -> Plan:  # fmt: skip
    """The plan of `rule` on `program`. Raises ScalecError with every independent mistake.

    `planned`: what other plans of them share with this one, for rules without conditions. It is added to where there is
    a plan: a mistake is one of every plan that has it.
    """
    named = {name for sizes in (*request.at, request.base) for name in sizes}
    whole = with_run_sizes(program, rule, named)
    shared = dict(planned or {})
    try:
        made = _Planner(whole, rule, optimizers, request, reporter, shared).plan()
    except f.FormulaError as error:
        reporter.fail(codes.EXPRESSION, str(error), rule.span)
    if planned is not None:
        planned |= shared
    return made


def make_one_plan(program: Program, rule: RuleSet, optimizers: Sequence[Optimizer], request: Request) -> Plan:
    """The plan of what is one rule in every direction of growth. Raises ScalecError, also where it is several."""
    reporter = Reporter()
    try:
        return make_plan(program, rule, optimizers, request, reporter)
    except UndecidedError:
        what = "has a condition that holds in some directions of growth only"
    except UnsupportedError as error:
        what = f"has a condition, `{error.places[0]}`, that is {error.reason}"
    reporter.fail(codes.NO_ORDER, f"rule `{rule.name}` {what}", rule.span)


class _Planner:
    def __init__(
        self, program: Program, rule: RuleSet, optimizers: Sequence[Optimizer], request: Request, reporter: Reporter,
        planned: Planned,
    ) -> None:  # fmt: skip
        self.program = program
        self.rule = rule
        self.owners = Owners(optimizers, reporter)
        self.request = request
        self.reporter = reporter
        self.left = Leftovers()
        self.shared = planned
        self.shared_sites: dict[object, dict[str, Quantity]] = {}
        self.run: dict[str, Quantity] = {}
        *self.places, self.base_places = request.places or [{}] * (len(request.at) + 1)
        self.named = self._base()
        self.base = size_table.complete(program, self.named)
        targets = [] if request.cell else size_table.shown(program, request.at, self.named, self.base)
        known = request.regime or (request.cell.regime if request.cell else None)
        self.regime = known or self._inferred(targets)
        self.clauses = [c for c in rule.clauses if self._applies(c.around)]
        self.selection = Selection(self.clauses)
        self.of_run = tuple(id(clause) for clause in self.clauses if clause.node.kind == "run")
        self.decider = Decider(program, self.base, targets, request.cell, reporter)
        self.reader = Reader(self.decider, reporter)
        self.fixed = frozenset(d.name for d in program.dimensions if not d.grows)
        self.solver = Solver({}, self.fixed, self.base, reporter)
        self.dimensions: dict[str, Formula] = {d.name: f.symbol("size", d.name) for d in program.dimensions}
        self.whole = size_table.of_network(program) | self.dimensions
        self.counts = {name: self.whole[name] for name in words.COUNTS}

    def plan(self) -> Plan:
        asked = tuple(zip(self.request.at, self.places, strict=True))
        for given, places in asked:
            size_table.check_names(self.program, given, places, self.reporter)
        report_unknown_blocks(self.selection, self.program, self.reporter)
        run = self._plan_run()
        self._demand(run)
        tensors = tuple(self._tensor(t) for t in self.program.tensors)
        sites = tuple(self._site(s) for s in self.program.sites)
        self._report_leftovers(tensors)
        self.reporter.stop_on_errors()
        sizes = tuple(size_table.target(self.program, g, self.named, p, self.reporter) for g, p in asked)
        self.reporter.stop_on_errors()
        freed = dict.fromkeys((*self.named, *(name for given in self.request.at for name in given)))
        made = Plan(
            self.rule.name,
            self.request.file,
            self.program,
            self.owners.classes,
            self.base,
            tuple(n for n in freed if n not in self.fixed),
            sizes,
            tensors,
            sites,
            run,
            tuple((rule, cite_text(cite)) for rule, cite in self.rule.cites),
            self.regime.name if self.regime and any(c.around.under for c in self.rule.clauses) else "",
            tuple(self.decider.guards),
        )
        check_values(made, self.reporter)
        self.reporter.take(unmet(made, "require"))
        self.reporter.stop_on_errors()
        return made

    def _base(self) -> dict[str, Fraction]:
        """Base sizes that somebody named: the rule's, overridden by `--base`; others' dimensions are left out."""
        named: dict[str, Fraction] = {}
        spans: dict[str, Span] = {}
        for size in self.rule.base:
            if size.value is not None and size.name in self.program.dimension:
                named[size.name], spans[size.name] = to_number(size.value, self.reporter), size.span
        size_table.check_names(self.program, named, spans, self.reporter)
        size_table.check_names(self.program, self.request.base, self.base_places, self.reporter)
        self.reporter.stop_on_errors()
        return named | dict(self.request.base)

    def _report_leftovers(self, tensors: Sequence[PlannedTensor]) -> None:
        self.owners.report(self.rule.span, tensors)
        self.left.report(self.program, self.rule, self.reporter)
        if self.request.cell is None:
            report_unmatched(self.selection, self.program, self.reporter)
        self.left.report_tunes(self.request.tunes, self.program, self.reporter)

    # ---- regime, demands ---------------------------------------------------------------------
    def _applies(self, around: Around) -> bool:
        """Whether it is for one of the optimizers and under this regime."""
        return bool(self.owners.concerned(around)) and regimes.holds(around, self.regime, self.program)

    def _inferred(self, targets: Sequence[size_table.Sizes]) -> Regime | None:
        under = [(c.around, clause_subject(c.node)) for c in self.rule.clauses if self.owners.concerned(c.around)]
        return regimes.infer(under, self.program, self.base, targets, self.reporter)

    def _demand(self, run: Mapping[str, Quantity | Choice]) -> None:
        """What the rule demands of sizes and of the run, where bare names of the run will do."""
        self.decider.run = self.run
        values: dict[str, Formula] = {name: f.symbol("run", name) for name in self.run}
        scope = Scope(self.whole, values, self.fixed, "the run", said=self._said({n: n for n in self.run}))
        said = {name: value.word for name, value in run.items() if isinstance(value, Choice)}
        ours = [d for d in self.rule.demands if self._applies(d.around)]
        if report_bound_apart([d for d in ours if not d.around.where], self.reporter):
            return  # whatever the run says, one of them does not hold
        for demand in ours if self.request.cell is None else ():
            if self.decider.where(demand.around.where, scope):
                self.decider.demand(demand, scope.with_laws(demand.laws), said)

    # ---- tensors, sites, the run -------------------------------------------------------------
    def _tensor(self, tensor: Tensor) -> PlannedTensor:
        clauses, tunes = self._clauses(tensor), tuple(map(self._tunes, tensor.views))
        selected = tuple((id(c), use) for c, use in clauses)
        key = (self.of_run, selected, tensor.uses, tensor.relative, tensor.density, tensor.parts, tunes)
        if key not in self.shared:
            self.shared[key] = self._plan_tensor(tensor, clauses, tunes)
        planned = replace(self.shared[key], tensor=tensor)
        for paths in self.left.anchorless.values():
            if self.shared[key].tensor.path in paths:
                paths[tensor.path] = None
        needed = [name for name in MUST_BE_SAID if name in self.owners.uses(planned.optimizer)]
        missing = [name for name in needed if name not in planned.numbers]
        missing += [
            name
            for name, said in (("init", planned.init.word), ("init.std", "init.std" in planned.numbers))
            if not said
        ]
        for name in missing if not self.request.partial else ():
            if tensor.path not in self.left.anchorless.get(name, ()):
                self.left.uncovered.setdefault(name, []).append(tensor.path)
        return planned

    def _clauses(self, tensor: Tensor) -> list[tuple[RuleClause, int]]:
        """The clauses that select a tensor, each with the use that it selected, in order of precedence."""
        if len(tensor.uses) == 1:
            return [(clause, 0) for clause in self.selection.of("tensor", tensor)]
        seen = [set(map(id, self.selection.of("tensor", view))) for view in tensor.views]
        return [(c, use) for c in self.clauses for use, ids in enumerate(seen) if id(c) in ids]

    def _plan_tensor(
        self, tensor: Tensor, clauses: list[tuple[RuleClause, int]], tunes: tuple[tuple[Tune, ...], ...]
    ) -> PlannedTensor:
        """Every use reads and sets the same attributes, but for the forward multiplier, which is its own."""
        held = [c for c, use in clauses if self.reader.held([c], self._tensor_scope(tensor.views[use]))]
        owner = self.owners.of(held)
        scales = {use.scale: default(UNIT) for use in tensor.uses}
        numbers = {"init.std": Number(None, []), "init.mean": default(ZERO)} | scales
        untrained = tuple(numbers)
        numbers |= {name: default(symbol) for name, symbol in self.owners.run_symbols(owner.word).items()}
        decay = Word(self.owners.decay(owner.word), [])
        choices = {"init.dist": Word("", []), "wd.kind": decay, "frozen": Word("no", [])}
        choices["split"] = Word(words.UNSPLIT, [])
        seen = [Values(numbers | {"scale": scale}, choices) for scale in scales.values()]
        for clause, use in clauses:
            if clause.around.owners is None or owner.word in clause.around.owners:
                self.reader.apply([clause], seen[use], self._tensor_scope(tensor.views[use], owner.word))
        dist, kind, frozen, split = choices["init.dist"], *(choices[n].finish() for n in ("wd.kind", "frozen", "split"))
        constant = constants(dist)
        for values, asked in zip(seen, tunes, strict=True):
            self._tune((t for t in asked if t.attribute not in constant), values, owner.word)
        self.solver.settle(numbers)
        self.reader.hold(numbers, f"tensor `{tensor.path}`")
        every = {n: v for n, v in (numbers | constant).items() if frozen.word != "yes" or n in untrained}
        needed = {n: v for n, v in every.items() if v.covered or self.request.partial or n not in MUST_BE_SAID}
        said = self._finish(needed, tensor.path)
        shared = choices["init.shared"].finish() if "init.shared" in choices else None
        planned = PlannedTensor(tensor, owner, frozen, dist.finish(), shared, kind, split, said, said, None)
        told, per_step = self.owners.told(planned, self._is_zero)
        return replace(planned, numbers=told, decay_per_step=per_step)

    def _site(self, site: Site) -> PlannedSite:
        layer = {"layer": f.symbol("layer", site.axes[-1].name)} if site.axes else {}
        scope = self._scope(layer | dict(site.relative) | self.dimensions, f"site `{site.path}`")
        clauses, tunes = self.reader.held(self.selection.of("site", site), scope), self._tunes(site)
        said = self.request.partial or any(s.attribute == "scale" for c in clauses for s in c.said)
        if site.required and not said:
            self.left.uncovered.setdefault("scale", []).append(site.path)
        key = (tuple(map(id, clauses)), site.attributes, site.relative, site.axes, tunes)
        if key not in self.shared_sites:
            self.shared_sites[key] = self._plan_site(site, clauses, tunes, scope)
        return PlannedSite(site, self.shared_sites[key])

    def _plan_site(
        self, site: Site, clauses: list[RuleClause], tunes: tuple[Tune, ...], scope: Scope
    ) -> dict[str, Quantity]:
        values = Values({name: default(UNIT) for name in site.attributes}, {})
        self.reader.apply(clauses, values, scope)
        self._tune(tunes, values)
        self.solver.settle(values.numbers)
        self.reader.hold(values.numbers, f"site `{site.path}`")
        return self._finish(values.numbers, site.path)

    def _plan_run(self) -> dict[str, Quantity | Choice]:
        """Run-level quantities: an optimizer's defaults, then the rule's `run` clauses, then tuned values."""
        clauses = [c for c in self.clauses if c.node.kind == "run"]
        chosen: dict[str, Word] = {}
        defaults = {name: dict(optimizer.uses) for name, optimizer in self.owners.optimizers.items()}
        every = dict.fromkeys(name for uses in defaults.values() for name in uses)
        tuned = (t.attribute for t in self.request.tunes if t.attribute in OF_THE_RUN and t.selector in (None, "run"))
        needed = by_need(clauses, self.reporter)
        said_first = {name for group in needed for name in group}
        alone = ((name,) for name in every if name not in said_first)
        late = ((name,) for name in dict.fromkeys(tuned) if name not in said_first)
        for group in (*alone, *needed, *late):
            self._plan_group(group, clauses, defaults, chosen)
        keys = [self.owners.run_name(o, n) for o, uses in defaults.items() for n in uses]
        stated = [s.attribute for c in clauses for s in c.said]
        self.run = {name: self.run[name] for name in dict.fromkeys((*keys, *stated, *self.run)) if name in self.run}
        return {**self.run, **{name: w.finish() for name, w in chosen.items()}}

    def _plan_group(
        self, group: Group, clauses: list[RuleClause], defaults: Mapping[str, Defaults], chosen: dict[str, Word]
    ) -> None:
        """Values of the run that are planned together: each optimizer's, or the run's own."""
        owners = [o for o, uses in defaults.items() if any(name in uses for name in group)]
        whole = any(name in OF_THE_RUN for name in group)
        if whole and len(owners) > 1:
            theirs = [name for name in group if name not in OF_THE_RUN]
            together, several, own = (" and ".join(f"`{n}`" for n in names) for names in (group, owners, theirs))
            self.reporter.fail(
                codes.SOLVE, f"{together} of the run are solved together, but {several} have {own} each for itself",
                solved_at(group, clauses), helps=["say of one of them how it moves, `~` instead of `solves`"],
            )  # fmt: skip
        for owner in owners or ([""] if whole else []):
            said = [c for c in clauses if not owner or owner in self.owners.concerned(c.around)]
            first = {n: self._first(v) for n, v in defaults[owner].items() if n in group} if owner else {}
            self._plan_run_of(group, owner, said, Values(first, chosen))

    def _first(self, value: nodes.Expr | None) -> Number:
        return default(f.number(to_number(value, self.reporter))) if value else Number(None, [])

    def _plan_run_of(self, group: Group, owner: str, clauses: list[RuleClause], values: Values) -> None:
        """What is said of some attributes of the run, or of one optimizer's."""
        own = {n: self.owners.run_name(owner, n) for n in self.owners.uses(owner)}
        said = self._said({n: n for n in self.run} | own)
        scope = Scope(self.whole, {}, self.fixed, "the run", said=said, of_run=True)
        self.reader.apply(clauses, values, scope, group)
        for name in group:
            if name in words.QUOTIENTS and name not in values.numbers:
                values.numbers |= quotient(name, scope)
        for tune in self.request.tunes:
            if tune.attribute in group and tune.selector in (None, "run", *([owner] if tune.attribute in own else [])):
                self.left.used_tunes.add(tune)
                values.numbers.setdefault(tune.attribute, Number(None, [])).tune(f.number(tune.value), tune.origin)
        self.solver.settle(values.numbers)
        self.reader.hold(values.numbers, "the run")
        finished = self._finish({own.get(name, name): n for name, n in values.numbers.items()}, "run")
        self.run |= finished
        self.solver.run.update((n, self.solver.in_sizes(q)) for n, q in finished.items())

    def _said(self, names: Mapping[str, str]) -> dict[str, tuple[Formula, Formula]]:
        """Values of the run that are planned, by bare names, with what they are at the base."""
        keys = {name: key for name, key in names.items() if key in self.solver.run}
        return {name: (f.symbol("run", key), self.solver.start(key)) for name, key in keys.items()}

    def _finish(self, numbers: Mapping[str, Number], path: str) -> dict[str, Quantity]:
        """The numbers that start somewhere; notes what has no anchor, or no base size to move from."""
        if self.request.cell:
            return {name: replace(n, anchor=n.anchor or UNIT).finish() for name, n in numbers.items()}
        finished = {name: n.finish() for name, n in numbers.items() if n.anchor is not None}
        for name, number in numbers.items():
            if number.anchor is None and number.covered:
                self.left.anchorless.setdefault(name, {})[path] = None
        for quantity in finished.values():
            for s in f.symbols(quantity.formula):
                if s.kind == "run" and s.name not in self.run:
                    self.left.anchorless.setdefault(s.name, {})[path] = None
                elif s.kind in ("base", "ratio") and s.name not in self.base:
                    self.left.baseless.setdefault(s.name, quantity.origins[-1])
        return finished

    def _is_zero(self, quantity: Quantity) -> bool:
        """Whether it is 0 at every size, be it since the run's value is."""
        runs = (s for s in f.symbols(quantity.formula) if s.kind == "run" and s.name in self.run)
        return quantity.formula == ZERO or any(self.run[s.name].formula == ZERO for s in runs)

    # ---- clauses -----------------------------------------------------------------------------
    def _tensor_scope(self, tensor: Tensor, owner: str = "") -> Scope:
        (use,) = tensor.uses
        own = {"fan_in": use.fan_in, "fan_out": use.fan_out, "density": tensor.density}
        sizes = own | dict(tensor.relative) | self.dimensions
        return self._scope(sizes, f"tensor `{tensor.path}`", owner)

    def _scope(self, sizes: dict[str, Formula], where: str, owner: str = "") -> Scope:
        said = self._said({name: name for name in (*words.RUN_SIZES, *words.QUOTIENTS)})
        return Scope(self.counts | sizes, self.owners.run_symbols(owner, others=True), self.fixed, where, said=said)

    # ---- tuned values ------------------------------------------------------------------------
    def _tunes(self, place: Tensor | Site) -> tuple[Tune, ...]:
        everywhere = isinstance(place, Tensor)
        return tuple(t for t in self.request.tunes if (everywhere if t.selector is None else called(t.selector, place)))

    def _tune(self, tunes: Iterable[Tune], values: Values, owner: str = "") -> None:
        """A bare `ATTR=value` is the run's value where the run has one, so that one number moves all."""
        for tune in tunes:
            if tune.attribute in values.numbers:
                self.left.used_tunes.add(tune)
                runs = self.owners.run_symbols(owner).get(tune.attribute)
                value = runs if runs and tune.selector is None else f.number(tune.value)
                values.numbers[tune.attribute].tune(value, tune.origin)
