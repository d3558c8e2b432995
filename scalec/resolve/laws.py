"""Named formulas: which laws expressions name. Input: trees of one file, a workspace. Output: declarations.

A law is seen like a rule, through `use`; its own names are those of the file that it stands in. Sizes and attributes
go before laws, and so a law cannot be called like one.
"""

from __future__ import annotations

from collections.abc import Iterator

from scalec import catalogue as codes
from scalec.diagnostics import Reporter, did_you_mean
from scalec.resolve import vocabulary as words
from scalec.resolve.load import GENERATIONS, Workspace
from scalec.syntax import nodes
from scalec.syntax.names import Trees, names_in

LARGEST = 1000  # names in a law, with those of the laws that it names
SIZES = tuple(dict.fromkeys((*words.RELATIVE_SIZES, *words.RUN_SIZES)))
NUMBERS = tuple(dict.fromkeys(n for said in words.ATTRIBUTES.values() for n, choices in said.items() if not choices))


def check_law(workspace: Workspace, law: nodes.LawDecl, unit: str, reporter: Reporter) -> tuple[str, ...]:
    """Report what is wrong with the names in a declaration. Gives those that it may name."""
    check_law_name(workspace, law, unit, reporter)
    _visit(workspace, law.value, unit, reporter, {}, (law,))
    sizes = (*SIZES, *workspace.candidates("dimension", unit))
    run = (name for name in NUMBERS if name in words.RUN_ATTRIBUTES)
    known = (
        *sizes,
        *NUMBERS,
        *workspace.candidates("law", unit),
        *(f"base.{s}" for s in sizes),
        *(f"run.{n}" for n in run),
    )
    for name in names_in(law.value):
        if name.text not in known:
            message = f"`{name.text}` is no size, no attribute and no law"
            reporter.report(codes.EXPRESSION, message, name.span, helps=did_you_mean(name.text, known))
    return known


def laws_named(workspace: Workspace, tree: Trees, unit: str, reporter: Reporter) -> tuple[nodes.LawDecl, ...]:
    """The laws that expressions, and `solves`, name in a file, and those that these name in turn, each once.

    Raises ScalecError where they are made of themselves, or too large.
    """
    found: dict[str, tuple[nodes.LawDecl, int]] = {}
    _visit(workspace, tree, unit, reporter, found, ())
    return tuple(law for law, _ in found.values())


def _visit(
    workspace: Workspace, tree: Trees, unit: str, reporter: Reporter,
    found: dict[str, tuple[nodes.LawDecl, int]], above: tuple[nodes.LawDecl, ...],
) -> int:  # fmt: skip
    """Add what a tree names to what was found. Gives the size of the tree with all that in its place."""
    names = [(name.text, name.span) for name in names_in(tree)]
    spans = dict([*names, *((s.law, s.span) for s in _solves(tree))])
    known = workspace.candidates("law", unit)
    for name in [name for name in spans if name in known]:
        place = workspace.find("law", name, unit, spans[name], reporter)
        if place is None or not isinstance(place.declaration, nodes.LawDecl):
            continue
        law = place.declaration
        if law in above:
            labels = [(law.span, "declared here")]
            reporter.fail(codes.CYCLE, f"law `{law.name}` is made of itself", spans[name], labels=labels)
        if name not in found:
            check_law_name(workspace, law, place.unit, reporter)
            found[name] = law, 0
            found[name] = law, _visit(workspace, law.value, place.unit, reporter, found, (*above, law))
        elif found[name][0] != law:
            labels = [(law.span, "one"), (found[name][0].span, "the other")]
            reporter.report(codes.AMBIGUOUS, f"two laws called `{name}` meet here", spans[name], labels=labels)
    size = len(names) + sum(found[name][1] for name, _ in names if name in found)
    if above and (size > LARGEST or len(above) > GENERATIONS):
        reporter.fail(codes.LIMIT, f"law `{above[-1].name}` is too large with all that it is made of", above[-1].span)
    return size


def check_law_name(workspace: Workspace, law: nodes.LawDecl, unit: str, reporter: Reporter) -> None:
    """Report a law that nobody could name, since a size or an attribute is called so."""
    dimension = workspace.candidates("dimension", unit).get(law.name, ())
    if law.name in (*SIZES, *NUMBERS) or dimension:
        reporter.report(
            codes.DUPLICATE_NAME, f"law `{law.name}` has the name of {'a dimension' if dimension else 'the language'}",
            law.span, labels=[(d.declaration.span, "declared here") for d in dimension], helps=["give it another name"],
        )  # fmt: skip


def _solves(tree: object) -> Iterator[nodes.Solve]:
    if isinstance(tree, tuple):
        for item in tree:
            yield from _solves(item)
    elif isinstance(tree, nodes.Clause):
        yield from (s for s in tree.statements if isinstance(s, nodes.Solve))
