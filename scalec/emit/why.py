"""`plan --why`: the clauses behind each value. Input: a plan and a name. Output: text.

A name is the path of a tensor or site, or `run`, with an attribute after a dot or without.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from scalec import catalogue as codes
from scalec.diagnostics import Reporter, did_you_mean
from scalec.emit.columns import columns, formula_text, headings
from scalec.emit.short import Short
from scalec.plan.model import Choice, Origin, Plan, Quantity
from scalec.plan.select import parameter_pattern
from scalec.symbolic.formula import UNIT, evaluate, symbols
from scalec.symbolic.text import plain

Said = Quantity | Choice


def why(plan: Plan, name: str) -> str:
    """Every clause that acted on a value, every one that lost, and what the rules cite that acted.

    Raises ScalecError for an unknown name.
    """
    known = _values(plan)
    if name in known:
        chosen = {f"{name}.{attribute}": value for attribute, value in known[name].items()}
    else:
        single = {f"{p}.{a}": value for p, said in known.items() for a, value in said.items()}
        chosen = {name: single[name]} if name in single else {}
    if not chosen:
        place, _, attribute = name.rpartition(".")
        near = [*known, *(f"{p}.{a}" for p, said in known.items() for a in said if p == place or a == attribute)]
        Reporter().fail(codes.UNKNOWN_NAME, f"the plan has no `{name}`", helps=did_you_mean(name, near))
    lines = [line for title, value in chosen.items() for line in _explain(plan, title, value)]
    return "\n".join([*lines, *_sources(plan, chosen.values())]) + "\n"


def _values(plan: Plan) -> dict[str, Mapping[str, Said]]:
    """What is said of each place; a tensor also under its parameter's name."""
    found: dict[str, Mapping[str, Said]] = {}
    for t in plan.tensors:
        said: dict[str, Said] = {
            "init": t.init,
            **t.numbers,
            "wd.kind": t.wd_kind,
            "frozen": t.frozen,
            "split": t.split,
            "optimizer": t.owner,
        }
        found[t.tensor.path] = found[parameter_pattern(t.tensor)] = said
    found |= {s.site.path: dict(s.numbers) for s in plan.sites}
    return found | {"run": dict(plan.run)}


def _explain(plan: Plan, title: str, value: Said) -> Iterator[str]:
    if isinstance(value, Choice):
        yield f"{title} = {value.word}"
    else:
        yield from _number(plan, title, value)
    yield from _clauses("by", value.origins)
    if not value.origins:
        yield "  by default"
    yield from _clauses("over", value.losers)
    if isinstance(value, Quantity) and (fits := plan.fits(value)):
        yield f"  empirical: {', '.join(law.name for law in fits)}, fitted and not proved"


def _number(plan: Plan, title: str, value: Quantity) -> Iterator[str]:
    """Its formula, its values, how it moves, and what words in these stand for."""
    short = Short(plan)
    said = short.quantity(value)
    yield f"{title} = {formula_text(said)}"
    for heading, sizes in zip(headings(plan), columns(plan), strict=True):
        numbers = " to ".join(f"{number:.6g}" for number in plan.values(value, sizes))
        yield f"  at {heading}: {numbers}"
    if value.law != UNIT:
        yield f"  at the base: {_at_base(plan, value, said)}, and from there: {plain(said.law)}"
    for name, count in short.meant((said.formula, said.anchor, said.law)).items():
        yield f"  {name} = {plain(count)}"
        for heading, sizes in zip(headings(plan), columns(plan), strict=True):
            yield f"    at {heading}: {evaluate(count, plan.environment(sizes)):.0f}"


def _at_base(plan: Plan, value: Quantity, said: Quantity) -> str:
    """Its formula there; where that is one of sizes alone and all are known, the number too."""
    read = symbols(value.anchor)
    if not read or any(s.kind != "base" or s.name not in plan.base for s in read):
        return plain(said.anchor)
    return f"{evaluate(value.anchor, plan.environment(plan.base)):.6g} = {plain(said.anchor)}"


def _sources(plan: Plan, values: Iterable[Said]) -> Iterator[str]:
    """What the rules cite whose clauses acted."""
    acted = {origin.rule for value in values for origin in _behind(value.origins)}
    for rule, text in plan.cites:
        if rule in acted:
            yield f"{rule}: {text}"


def _clauses(word: str, origins: tuple[Origin, ...]) -> Iterator[str]:
    for origin in origins:
        yield f"  {word} {origin.rule}: {origin.text}  ({origin.location})"
        yield from (f"    {law.text}  ({law.location})" for law in origin.laws)
        for line in _clauses("with", origin.given):
            yield f"  {line}"


def _behind(origins: Iterable[Origin]) -> Iterator[Origin]:
    for origin in origins:
        yield origin
        yield from _behind(origin.given)
