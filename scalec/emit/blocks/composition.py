"""How blocks are put together, in PyTorch; compositions recurse."""

from __future__ import annotations

from scalec.emit.blocks.sequence import EMITTERS as ALL
from scalec.emit.blocks.sequence import Emitter, emit_sequence
from scalec.emit.modules import LONG, Expr, ModuleWriter, statement
from scalec.emit.names import camel
from scalec.program.program import Region
from scalec.symbolic.formula import ZERO, Formula, mul


def _residual(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    """`skip * x + scale * f(x)`, or `skip * x + scale * gate * f(x)`."""
    stream = w.named(x)
    with w.gated() as gates:
        inner = emit_sequence(w, region.children, Expr(stream))
    if gates:
        inner = Expr(" * ".join([*gates, inner.factor]))
    name = dict(region.sites)["scale"].rpartition("residual.")[2].replace(".", "_")
    skip = w.site_factor(region, "scale", f"{name}_skip", "skip")
    scale = w.site_factor(region, "scale", f"{name}_residual")
    if len(f"{skip}{stream} + {scale}{inner.text}") > LONG:
        with w.inside():
            inner = Expr(w.own(inner))
    return Expr(f"{skip}{stream} + {scale}{inner.factor if scale else inner.text}", loose=True)


def _sum(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    """Each branch on the same input."""
    stream = Expr(w.named(x))
    with w.inside():
        terms = [ALL[branch.kind](w, branch, stream).text for branch in region.children]
    return Expr(" + ".join(terms), loose=len(terms) > 1)


def _branch(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    return emit_sequence(w, region.children, x)


def _repeat(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    """A class for the block, a `ModuleList` of its copies, a loop over them."""
    m = w.child()
    m.repeated = True
    out = emit_sequence(m, region.children, Expr("x"))
    name = camel(region.path.rpartition(".")[2])
    block = m.define(name if name.startswith("Block") else f"{name}Block", out)
    w.attribute(region.name, f"nn.ModuleList({_copies(w, region, block)})")
    stream = w.own(x)
    arguments = ", ".join([stream, *map(w.read, m.beside)])
    w.statements(f"for block in self.{region.name}:", f"    {stream} = block({arguments})")
    return Expr(stream)


def _copies(w: ModuleWriter, region: Region, block: str) -> str:
    """The copies; those that know their layer count the blocks before them on the stream."""
    count = w.size(region, "count")
    if block not in w.library.layered:
        return f"{block}(config) for _ in range({count})"
    stack = w.library.plan.program.stacks[region.path]
    before = [] if stack.before == ZERO else [w.whole(stack.before)]
    start = " + ".join([*(["layer"] if w.repeated else []), *before])
    w.layered |= w.repeated
    each = w.whole(stack.each)
    step = [] if each == "1" else [each]
    end = w.whole(mul(stack.each, _count(region)))
    if not start and not step:
        return f"{block}(config, layer) for layer in range({end})"
    bounds = [start, f"{start} + {end}"] if start else ["0", end]
    w.init += statement(f"layers = range({', '.join([*bounds, *step])})", 8)
    return f"{block}(config, layer) for layer in layers"


def _count(region: Region) -> Formula:
    count = region.option("count")
    assert isinstance(count, Formula)
    return count


EMITTERS: dict[str, Emitter] = {
    "residual": _residual,
    "sum": _sum,
    "branch": _branch,
    "repeat": _repeat,
}
