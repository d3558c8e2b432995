"""Side streams, in PyTorch: a module of their own, called where `let` stands."""

from __future__ import annotations

from scalec.emit.blocks.sequence import Emitter, emit_sequence
from scalec.emit.modules import Expr, ModuleWriter
from scalec.emit.names import camel
from scalec.program.program import Region


def _let(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    """`c = self.c(...)`, on the stream so far or on inputs of its own."""
    given = [] if region.option("opened") else [w.named(x)]
    m = ModuleWriter(w.library, *(["x"] if given else []))
    out = emit_sequence(m, region.children, Expr("x"))
    stream = w.attribute(region.name, w.built(m.define(f"{camel(region.name)}Stream", out)))
    arguments = ", ".join([*given, *map(w.read, m.arguments[len(given) :])])
    w.bound.add(region.name)
    w.statements(f"{region.name} = {stream}({arguments})")
    return Expr(given[0]) if given else x


EMITTERS: dict[str, Emitter] = {
    "let": _let,
}
