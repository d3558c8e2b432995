"""A Program as text, for people and goldens. Input: a Program. Output: stable lines, nothing left out
that an interpretation reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields

from scalec.program import ops
from scalec.program.ops import Nonlinearity, Operation
from scalec.program.program import Dimension, Program, Region, Site, Tensor
from scalec.symbolic.formula import UNIT, Product, Sum
from scalec.symbolic.text import plain

INDENT = "  "


def dump(program: Program) -> str:
    """Dimensions, regions, operations, tensors and sites, a line each."""
    return "".join(f"{line}\n" for line in _lines(program))


def _lines(program: Program) -> Iterator[str]:
    yield f"program {program.name}"
    for title, lines in (
        ("dimensions", map(_dimension, program.dimensions)),
        ("regions", _regions(program.regions)),
        ("operations", _operations(program.operations)),
        ("tensors", map(_tensor, program.tensors)),
        ("sites", map(_site, program.sites)),
    ):
        yield f"{title}:"
        yield from (INDENT + line for line in lines)


def _dimension(d: Dimension) -> str:
    size = "" if d.fixed is None else f" = {d.fixed}"
    default = "" if d.default is None else f" = {plain(d.default)}"
    return f"{'' if d.grows else 'fixed '}{d.name}{size}{default}"


def _regions(regions: Iterable[Region]) -> Iterator[str]:
    for region in regions:
        options = ", ".join(f"{name} = {_value(value)}" for name, value in region.options)
        holds = [f"{local}: {path}" for local, path in (*region.tensors, *region.sites)]
        yield f"{region.kind} {region.name}({options}) at {region.path or '.'}" + _holding(holds)
        yield from (INDENT + line for line in _regions(region.children))


def _holding(names: list[str]) -> str:
    return f" [{', '.join(names)}]" if names else ""


def _operations(operations: Iterable[Operation]) -> Iterator[str]:
    for operation in operations:
        body = operation.body if isinstance(operation, ops.Repeat) else ()
        said = {f.name: getattr(operation, f.name) for f in fields(operation) if f.name not in ("out", "body")}
        shown = ", ".join(f"{name} = {_value(value)}" for name, value in said.items() if value is not None)
        yield f"{operation.out} = {type(operation).__name__.lower()}({shown})"
        yield from (INDENT + line for line in _operations(body))


def _tensor(t: Tensor) -> str:
    shape = ", ".join(map(plain, t.shape))
    uses = "; ".join(f"{plain(u.fan_in)} -> {plain(u.fan_out)}{' transposed' if u.transposed else ''}" for u in t.uses)
    axes = "".join(f" x {axis.name} = {plain(axis.count)}" for axis in t.axes)
    slice_ = "" if t.storage.slice is None else f"[{', '.join(map(plain, t.storage.slice))}]"
    kept = "" if t.density == UNIT else f", density {plain(t.density)}"
    parts = f", {plain(t.parts.count)} {t.parts.word} along {t.parts.side}" if t.parts else ""
    stored = f"{t.storage.name}{slice_} {t.storage.layout}"
    return f"{t.path}: {t.role} {t.shape_class} ({shape}){axes}, {uses}, {stored}{kept}{parts}{_around(t)}"


def _site(s: Site) -> str:
    roles = f"{', '.join(s.roles)} ({', '.join(s.attributes)})"
    return f"{s.path}: {roles}{' required' if s.required else ''}{_around(s)}"


def _around(place: Tensor | Site) -> str:
    sizes = "".join(f", {name} {plain(size)}" for name, size in place.relative)
    return f"{sizes}, in {' '.join(place.within)}"


def _value(value: object) -> str:
    match value:
        case Product() | Sum():
            return plain(value)
        case Nonlinearity():
            return value.name
        case bool():
            return "yes" if value else "no"
        case tuple():
            return f"[{', '.join(map(_value, value))}]"
        case _:
            return str(value)
