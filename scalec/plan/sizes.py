"""Sizes: from what the user named to a number for every dimension. Exact; errors list what is missing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from fractions import Fraction
from functools import lru_cache

from scalec import catalogue as codes
from scalec.calculus.structure import Structure
from scalec.diagnostics import Code, Reporter, did_you_mean
from scalec.program.ops import Bias, Input, Linear, Output, Scale
from scalec.program.program import Program, Region, Site, Tensor
from scalec.resolve.vocabulary import QUOTIENTS, RUN_SIZES
from scalec.source import Span
from scalec.symbolic import formula as f
from scalec.symbolic.formula import Formula, FormulaError, Product, Sum, Symbol, exact, symbols
from scalec.symbolic.text import plain

Sizes = dict[str, Fraction]
LARGEST = 2**53  # of a size: beyond it a float no longer counts


def _of_the_run(name: str) -> Iterator[str]:
    if name in RUN_SIZES:
        yield f"`{name}` is one where clauses read it and no `run` clause says what it is"


def _instead(name: str) -> tuple[str, ...]:
    """How a quantity of the run is given, which no network has."""
    if name in QUOTIENTS:
        return (f"`run {{ {name} = ... }}` in the rule says it; else it is `{'/'.join(QUOTIENTS[name])}`",)
    return (f"`--tune {name}=...` sets what a `run` clause starts from",) if name in RUN_SIZES else ()


def check_names(program: Program, given: Mapping[str, Fraction], spans: Mapping[str, Span], reporter: Reporter) -> None:
    """Every named size is a dimension of the network, and no fixed one is changed."""
    for name, value in given.items():
        dimension = program.dimension.get(name)
        if dimension is None:
            reporter.report(
                codes.MISSING_SIZE,
                f"network `{program.name}` has no dimension `{name}`",
                spans.get(name),
                notes=[f"its dimensions are {', '.join(program.dimension)}", *_of_the_run(name)],
                helps=_instead(name) or did_you_mean(name, program.dimension),
            )
        elif dimension.fixed is not None and dimension.fixed != value:
            reporter.report(
                codes.CONTRADICTION,
                f"`{name}` is fixed at {dimension.fixed} in network `{program.name}`, not {value}",
                spans.get(name),
                helps=[f"list it under `dims` of the network, `dims {name} = {dimension.fixed}`"],
            )
        elif value <= 0:
            reporter.report(codes.NOT_INTEGER, f"size `{name}` is {value}; a size is positive", spans.get(name))
        elif not within(value):
            reporter.report(codes.NOT_INTEGER, f"size `{name}` is beyond 2^53", spans.get(name))


def within(size: Fraction) -> bool:
    """Whether a float counts in steps of one at this size, and at its inverse."""
    return Fraction(1, LARGEST) <= size <= LARGEST


def complete(program: Program, *given: Mapping[str, Fraction]) -> Sizes:
    """Each dimension from the first mapping that names it, else its fixed size, else its default.

    Dimensions that nothing determines are left out, and those whose default is no rational number here.
    """
    known: Sizes = {}
    for dimension in program.dimensions:
        value = next((g[dimension.name] for g in given if dimension.name in g), dimension.fixed)
        if value is not None:
            known[dimension.name] = value
    waiting = [d for d in program.dimensions if d.name not in known and d.default is not None]
    while True:
        ready = [d for d in waiting if d.default and all(s.name in known for s in symbols(d.default))]
        if not ready:
            return {d.name: known[d.name] for d in program.dimensions if d.name in known}
        for dimension in ready:
            assert dimension.default is not None
            number = _exact(dimension.default, known)
            if number is not None:
                known[dimension.name] = number
            waiting.remove(dimension)


def shown(
    program: Program, at: Iterable[Mapping[str, Fraction]], named: Mapping[str, Fraction], base: Sizes
) -> list[Sizes]:
    """The sizes that a plan has numbers at: those asked for, else the base's where they are all known."""
    asked = [complete(program, given, named) for given in at]
    return asked or ([base] if len(base) == len(program.dimensions) else [])


def of_network(program: Program) -> dict[str, Formula]:
    """Relative sizes of the network as a whole: its parameters, and those that are the same wherever they exist."""
    places: tuple[Tensor | Site, ...] = (*program.tensors, *program.sites)
    found: dict[str, set[Formula]] = {}
    for name, size in dict.fromkeys(pair for place in places for pair in place.relative):
        found.setdefault(name, set()).add(size)
    return counts(program) | {name: sizes.pop() for name, sizes in found.items() if len(sizes) == 1}


def counts(program: Program) -> dict[str, Formula]:
    """How many parameters there are, `params`; of copies that a sample is sent to as many as it meets, `.active`.

    `.body`: without tables of rows, one for each word or position, and without what makes the scores of words.
    """
    structure = Structure(program)
    ends = frozenset(_ends(structure))
    kinds = {"params": program.tensors, "params.body": tuple(t for t in program.tensors if t.path not in ends)}

    def total(tensors: Iterable[Tensor], *, active: bool) -> Formula:
        met = structure.axes
        return f.add(
            *(f.mul(*t.shape, *(met.get(a.name, a.count) if active else a.count for a in t.axes)) for t in tensors)
        )

    alike = {name: total(tensors, active=False) for name, tensors in kinds.items()}
    return alike | {f"{name}.active": total(tensors, active=True) for name, tensors in kinds.items()}


def _ends(structure: Structure) -> Iterator[str]:
    """Tensors that read an index, and those that the output is made of."""
    made = {op.out: op for op in structure.operations}
    indices = {op.out for op in structure.operations if isinstance(op, Input) and op.one_hot}
    for op in structure.operations:
        if isinstance(op, Linear) and op.x in indices:
            yield op.tensor
        if isinstance(op, Output):
            last = made[op.x]
            while isinstance(last, Scale | Bias):
                yield from [last.tensor] if isinstance(last, Bias) else []
                last = made[last.x]
            yield from [last.tensor] if isinstance(last, Linear) else []


def _exact(formula: Formula, sizes: Sizes) -> Fraction | None:
    """The exact value at sizes; None where it is irrational, or divides by 0."""
    try:
        return exact(formula, lambda s: sizes[s.name])
    except FormulaError:
        return None


def target(
    program: Program,
    given: Mapping[str, Fraction],
    base: Mapping[str, Fraction],
    places: Mapping[str, Span],
    reporter: Reporter,
) -> Sizes:
    """The sizes of one `--at`: what it names, else the base's, else the default's; integers where built with."""
    sizes = complete(program, given, base)
    missing = [d.name for d in program.dimensions if d.name not in sizes]
    if missing:
        defaults = {name: program.dimension[name].default for name in missing}
        reporter.report(
            codes.MISSING_SIZE,
            f"no size for {', '.join(f'`{m}`' for m in missing)}",
            notes=[f"the default `{plain(d)}` of `{name}` gives none" for name, d in defaults.items() if d],
            helps=[f"name it: `--at {','.join(f'{m}=...' for m in missing)}`"],
        )
        return sizes

    def report(code: Code, what: str, formula: Formula, number: Fraction | None, needed: str) -> None:
        behind = _behind(program, formula, {*given, *base})
        with_ = f"with {', '.join(_spelled(name, size, sizes) for name, size in behind.items())}"
        reporter.report(
            code,
            f"{what} is `{plain(formula)}`{'' if number is None else f' = {number}'}, not a {needed}",
            next((places[name] for name in behind if name in places), None),
            notes=[with_] if behind else [],
        )

    for what, formula in _built_with(program):
        number = _exact(formula, sizes)
        if number is None or number.denominator != 1 or not 1 <= number <= LARGEST:
            report(codes.NOT_INTEGER, what, formula, number, "positive integer")
    for density, path in {t.density: t.path for t in reversed(program.tensors)}.items():
        number = _exact(density, sizes)
        if number is None or not 0 < number <= 1:
            report(codes.OPTION, f"the density of `{path}`", density, number, "number of (0, 1]")
    _check_copies(program, sizes, places, reporter)
    return sizes


def _behind(program: Program, formula: Formula, named: Collection[str]) -> dict[str, Formula | None]:
    """The dimensions that a size is made of, with the defaults that they follow, down to those that are named."""
    found: dict[str, Formula | None] = {}
    waiting = [formula]
    while waiting:
        for s in symbols(waiting.pop()):
            default = None if s.name in named else program.dimension[s.name].default
            if s.name not in found:
                found[s.name] = default
                waiting += [default] if default else []
    return found


def _spelled(name: str, default: Formula | None, sizes: Sizes) -> str:
    """`H = N/64 = 25/8`, or `N = 200`."""
    said = "" if default is None or not symbols(default) else f"{plain(default)} = "
    return f"{name} = {said}{sizes[name]}"


def _check_copies(program: Program, sizes: Sizes, places: Mapping[str, Span], reporter: Reporter) -> None:
    """A sample meets at most as many copies as there are."""
    met = Structure(program).axes
    for name, there in dict.fromkeys((a.name, a.count) for tensor in program.tensors for a in tensor.axes):
        number, most = _exact(met[name], sizes), _exact(there, sizes)
        if number is not None and most is not None and number > most:
            named = (s.name for size in (met[name], there) for s in symbols(size))
            reporter.report(
                codes.CONTRADICTION,
                f"`{plain(met[name])}` = {number} of `{name}` cannot be active: there are `{plain(there)}` = {most}",
                next((places[n] for n in named if n in places), None),
            )


def _built_with(program: Program) -> Iterable[tuple[str, Formula]]:
    """Every size that emitted code builds with, once, with a word for it."""
    seen: dict[Formula, str] = {}
    for tensor in program.tensors:
        for side in tensor.shape:
            seen.setdefault(side, f"a side of `{tensor.path}`")
    for region in program.regions:
        for what, size in _options(region):
            seen.setdefault(size, what)
    return [(what, formula) for formula, what in seen.items()]


def _options(region: Region) -> Iterable[tuple[str, Formula]]:
    for name, value in region.options:
        if isinstance(value, Product | Sum):
            yield f"`{name}` of `{region.path}`", value
    for child in region.children:
        yield from _options(child)


@lru_cache(f.CACHED)
def ratio(size: Formula, fixed: frozenset[str]) -> Formula:
    """A size over its base size, the papers' `m_N`; fixed dimensions drop out.

    A monomial becomes the same monomial in ratios; a sum is divided by its value at the base.
    """

    def to_ratio(s: Symbol) -> Formula | None:
        if s.kind != "size":
            return None
        return f.UNIT if s.name in fixed else f.symbol("ratio", s.name)

    if isinstance(size, Product) and all(isinstance(atom, Symbol) for atom, _ in size.factors):
        return f.substitute(Product(Fraction(1), size.factors), to_ratio)
    return f.divide(size, at_base(size))


@lru_cache(f.CACHED)
def at_base(formula: Formula) -> Formula:
    """The formula with every size at its base."""

    def to_base(s: Symbol) -> Formula | None:
        match s.kind:
            case "size":
                return f.symbol("base", s.name)
            case "ratio":
                return f.UNIT
            case _:
                return None

    return f.substitute(formula, to_base)
