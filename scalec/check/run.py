"""`check`: a rule on a program in a regime. Input: Program, Scaling, Regime, names of goals. Output: Report.

The pipeline: look at the input, train abstractly on every cell of directions, judge, merge the cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from scalec import catalogue as codes
from scalec.calculus.collector import uncollected
from scalec.calculus.forward import UnsupportedError
from scalec.calculus.scaling import Scaling
from scalec.calculus.structure import Structure
from scalec.calculus.training import Training, train
from scalec.calculus.world import UnresolvedError, World, settled
from scalec.check.choices import tied
from scalec.check.findings import OPEN, findings, unjudged, unsupported
from scalec.check.goal import Goal
from scalec.check.goals import DEFAULT, GOALS
from scalec.check.judge import Analysis, analyse
from scalec.check.report import Finding, Report, Term, Verdict
from scalec.check.table import merge, where
from scalec.diagnostics import Diagnostic, Reporter, did_you_mean
from scalec.program.program import Program
from scalec.symbolic.dominance import Cell, regions
from scalec.symbolic.formula import Formula, symbols
from scalec.symbolic.order import Regime

Laws = Callable[[Cell], Scaling]


def check(
    program: Program, laws: Scaling | Laws, regime: Regime, goals: Sequence[str] = DEFAULT, causes: Iterable[str] = (),
    known: Training | None = None,
) -> Report:  # fmt: skip
    """Prove or refute `goals` for a rule. `causes`: tensors whose effects are also listed with all others frozen.
    `known`: a training that need not be done again, where it is of this rule and these directions.

    A rule with conditions has its laws by the cell of directions. Raises ScalecError where the input makes no
    sense; what the calculus cannot decide is in the report, as the verdict `undetermined`.
    """
    reporter = Reporter()
    _require(program, regime, goals, reporter)
    if isinstance(laws, Scaling):
        _check_said(program, laws, reporter)
    reporter.stop_on_errors()
    wanted = tuple(GOALS[name] for name in dict.fromkeys(goals))
    structure = Structure(program)

    def on(cell: Cell) -> Scaling:
        return _known(laws if isinstance(laws, Scaling) else laws(cell))

    cells: list[Cell] = []
    with uncollected():
        try:
            analyses = _analyses(structure, on, regime, wanted, cells, known)
            alone = {t: _terms(_analyses(structure, _training_only(t, on), regime, (), cells)) for t in causes}
            return _report(program, regime, wanted, analyses, alone)
        except UnresolvedError as error:
            reporter.fail(codes.NO_ORDER, f"`{error.attribute}` of `{error.subject}` has no order", error.span)
        except UnsupportedError as error:
            return _undetermined(program, regime, wanted, error)
        finally:
            for cell in cells:
                cell.forget()


def _training_only(tensor: str, laws: Laws) -> Laws:
    return lambda cell: laws(cell).training_only(tensor)


def _known(scaling: Scaling) -> Scaling:
    """An optimizer beyond the families is what it declares itself to be, or unknown."""
    for path, said in scaling.tensors.items():
        if said.family == "other" and said.lr is not None and said.effect is None:
            raise UnsupportedError(path, "trained by an optimizer that declares no `effect`")
    return scaling


def _analyses(
    structure: Structure, laws: Laws, regime: Regime, goals: tuple[Goal, ...], cells: list[Cell],
    known: Training | None = None,
) -> tuple[Analysis, ...]:  # fmt: skip
    """One analysis for each cell; together the cells cover every direction. `cells`: every one that is tried."""

    def decide(cell: Cell) -> Analysis:
        cells.append(cell)
        world = World(structure, laws(cell), cell)
        return analyse(known if known and known.world.same(world) else train(world), goals)

    return tuple(analysis for _, analysis in regions(regime, decide))


def _terms(analyses: Iterable[Analysis]) -> tuple[Term, ...]:
    return merge((a.cell, a.rows.terms) for a in analyses)


def _report(
    program: Program, regime: Regime, goals: tuple[Goal, ...],
    analyses: tuple[Analysis, ...], alone: dict[str, tuple[Term, ...]],
) -> Report:  # fmt: skip
    found = (*findings(analyses), *unjudged(analyses))
    return Report(
        program.name,
        regime,
        {goal.name: _verdict(goal, found) for goal in goals},
        _terms(analyses),
        merge((a.cell, a.rows.gradients) for a in analyses),
        found,
        {where([a.cell]): a.training.limit.index if a.training.settled else None for a in analyses},
        merge((a.cell, a.rows.norms) for a in analyses),
        alone,
        (*_frozen(analyses), *_fitted(analyses), *tied(analyses)),
    )


def _frozen(analyses: Iterable[Analysis]) -> Iterator[Diagnostic]:
    """What verdicts assume of weights that do not move."""
    weights = (item for a in analyses for item in a.training.world.weights.items())
    paths = list(dict.fromkeys(f"`{path}`" for path, weight in weights if weight.lr is None))
    if paths:
        message = f"{paths[0]} is frozen: its weights are taken as drawn at random"
        yield Diagnostic(codes.FROZEN, message, notes=(f"so are {', '.join(paths[1:])}",) if paths[1:] else ())


def _fitted(analyses: Iterable[Analysis]) -> Iterator[Diagnostic]:
    """What of the rule nobody proved: verdicts are about the numbers that come of it, whatever made them."""
    places: dict[tuple[str, str], dict[str, None]] = {}
    for path, attribute, law in (item for a in analyses for item in a.scaling.fits):
        places.setdefault((law, attribute), {})[f"`{path}`"] = None
    for (law, attribute), paths in places.items():
        first, *others = paths
        notes = ["verdicts hold of these numbers; that they keep the law is not proved"]
        notes += [f"and of {', '.join(others)}"] if others else []
        yield Diagnostic(
            codes.FITTED, f"`{attribute}` of {first} comes of `{law}`, which was fitted", notes=tuple(notes)
        )


def _verdict(goal: Goal, found: Iterable[Finding]) -> Verdict:
    own = [f.diagnostic for f in found if f.goal == goal.name]
    if any(diagnostic.severity == "error" for diagnostic in own):
        return "fail"
    return "undetermined" if any(diagnostic.code in OPEN for diagnostic in own) else "pass"


def _undetermined(program: Program, regime: Regime, goals: tuple[Goal, ...], error: UnsupportedError) -> Report:
    found = tuple(unsupported(error, goals, program))
    return Report(program.name, regime, {goal.name: _verdict(goal, found) for goal in goals}, (), (), found, {})


# ---- the input -------------------------------------------------------------------------------
def _require(program: Program, regime: Regime, goals: Sequence[str], reporter: Reporter) -> None:
    for name in goals:
        if name not in GOALS:
            reporter.report(
                codes.UNKNOWN_GOAL, f"no desideratum is called `{name}`",
                notes=[f"there are {', '.join(GOALS)}"], helps=did_you_mean(name, GOALS),
            )  # fmt: skip
    growing = [name for name, order in regime.growth if order.powers]
    if not growing:
        reporter.report(codes.NOTHING_GROWS, f"nothing grows under `{regime.name}`")
    used = {s.name for formula in dict.fromkeys(_formulas(program)) for s in symbols(settled(formula, program, regime))}
    for name in growing:
        if name not in used:
            reporter.report(
                codes.IDLE_DIMENSION, f"nothing in network `{program.name}` depends on `{name}`",
                notes=[f"`{regime.name}` lets it grow"], helps=did_you_mean(name, used),
            )  # fmt: skip


def _check_said(program: Program, scaling: Scaling, reporter: Reporter) -> None:
    for tensor in program.tensors:
        if tensor.path not in scaling.tensors:
            reporter.report(codes.UNSAID, f"the rule does not say how `{tensor.path}` is scaled")


def _formulas(program: Program) -> Iterator[Formula]:
    """Every size in a program."""
    structure = Structure(program)
    yield from (structure.batch, *structure.axes.values())
    yield from (axis.count for tensor in program.tensors for axis in tensor.axes)
    yield from structure.length.values()
    for tensor in program.tensors:
        yield tensor.density
        for use in tensor.uses:
            yield from (use.fan_in, use.fan_out)
