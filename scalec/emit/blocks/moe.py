"""A mixture of experts, in PyTorch: one layer, and the ways to run it. Which one is chosen in `path` alone."""

from __future__ import annotations

from scalec.emit.blocks.layers import call, matrix
from scalec.emit.blocks.mlp import bent, feed_forward
from scalec.emit.blocks.sequence import Emitter
from scalec.emit.modules import Expr, ModuleWriter
from scalec.program.program import Region

# What becomes of the scores: of the highest ones (`top`), or of all before some are chosen.
GATES = {
    "sigmoid": "torch.sigmoid(top)",
    "linear": "top",
    "softmax_selected": "torch.softmax(top, -1)",
    "softmax": "torch.softmax(scores, -1).gather(-1, chosen)",
}
# Over their sum: in logarithms, so that small ones are never divided by 0.
NORMALISED = {"sigmoid": "torch.softmax(F.logsigmoid(top), -1)"}


def _moe(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    m = w.child()
    m.doc = "The inputs of each expert; weights are [expert, out, in]."
    m.attribute("experts", m.size(region, "experts"))
    m.attribute("active", m.size(region, "active"))
    m.init += FEWER
    route = _route(m, region)
    act = _experts(m, region)
    m.statements(*FORWARD)
    result = Expr("out.unflatten(0, x.shape[:-1])")
    if "shared" in dict(region.options):
        shared = m.attribute("shared", m.built(feed_forward(m, region, "shared.")))
        scale = m.site_factor(region, "shared.out", "shared_scale")
        result = Expr(f"{result.text} + {scale}{shared}(x)")
    m.methods += [*PATH, *route, *act]
    return call(w, region, m.define("MoE", result), x)


def _experts(m: ModuleWriter, region: Region) -> list[str]:
    """The experts' parameters; how one bends what its matrices make of the input, and all ways to run them."""
    into = [local for local in ("gate", "up") if local in dict(region.tensors)]
    factors = {local: _stack(m, region, local) for local in (*into, "down")}
    hidden = [Expr(factors[local] + local) for local in reversed(into)]
    bends = bent(str(region.option("act")), hidden[0], hidden[1] if len(into) > 1 else None)
    text = WAYS.format(
        act=factors["down"] + (bends.factor if factors["down"] else bends.text),
        typed=", ".join(f"{local}: Tensor" for local in into),
        names=", ".join(into),
        into=", ".join(f"F.linear(x, {local})" for local in into),
        unbound=", ".join(f"self.{local}.unbind()" for local in (*into, "down")),
        dense="\n".join(f"        {n} = F.linear(x, self.{n}.flatten(0, 1))" for n in into),
        grouped="\n".join(f"        {n} = F.grouped_mm(rows, self.{n}.mT, offs=ends)" for n in into),
    )
    return text.splitlines()


def _stack(m: ModuleWriter, region: Region, local: str) -> str:
    """One parameter for all experts, and the factor in front of it."""
    sides = ", ".join(map(m.whole, m.tensor(region, local).shape))
    m.attribute(local, f"nn.Parameter(torch.empty(self.experts, {sides}))")
    return m.tensor_factor(region, local, f"{local}_scale")


def _route(m: ModuleWriter, region: Region) -> list[str]:
    scores = matrix(m, region, "router", "router", Expr("x"))
    scores = Expr(m.site_factor(region, "logits", "logits_scale") + scores.text)
    written = NORMALISED if region.option("normalised") else GATES
    gates = m.site_factor(region, "combine", "combine_scale") + written[str(region.option("router"))]
    return ROUTE.format(scores=scores.text, gates=gates).splitlines()


FEWER = """if self.active > self.experts:
    raise ValueError(f"{self.active} of {self.experts} experts cannot be active")""".splitlines()

FORWARD = """rows = x.flatten(0, -2)
gates, chosen = self.route(rows)
out = getattr(self, self.path(rows))(rows, gates, chosen)""".splitlines()

PATH = '''
    def path(self, x: Tensor) -> str:
        """The way that rows `x` take: `dense`, `grouped`, `where` or `segments`."""
        if self.active == self.experts:
            return "dense"
        compiling = torch.compiler.is_compiling()
        known = x.dtype == torch.bfloat16 or (
            x.dtype == torch.float32 and x.device.type == "cpu" and not compiling
        )
        aligned = all(n * x.element_size() % 16 == 0 for n in self.up.shape[1:])
        if known and aligned and hasattr(F, "grouped_mm"):
            return "grouped"
        return "where" if compiling else "segments"'''.splitlines()

ROUTE = '''
    def route(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Gates and numbers of the experts of each row, both [rows, active]."""
        scores = {scores}
        top, chosen = scores.topk(self.active, dim=-1)
        return {gates}, chosen'''

WAYS = '''
    def act(self, {typed}) -> Tensor:
        return {act}

    def expert(self, x: Tensor, {typed}, down: Tensor) -> Tensor:
        return F.linear(self.act({into}), down)

    def each(self) -> list[tuple[Tensor, ...]]:
        """The matrices of one expert after the other."""
        return list(zip({unbound}))

    def dense(self, x: Tensor, gates: Tensor, chosen: Tensor) -> Tensor:
        """All experts on all rows: one wide layer, with the gates inside."""
        gates = gates.new_zeros(len(x), self.experts).scatter(1, chosen, gates)
{dense}
        hidden = self.act({names}).unflatten(1, (self.experts, -1))
        hidden = gates.unsqueeze(-1) * hidden
        return F.linear(hidden.flatten(1), self.down.transpose(0, 1).flatten(1))

    def grouped(self, x: Tensor, gates: Tensor, chosen: Tensor) -> Tensor:
        """One product for all experts, on rows in order of their expert."""
        slots, counts = self.by_expert(chosen)
        row, ends = slots // self.active, counts.cumsum(0, dtype=torch.int32)
        rows = x[row]
{grouped}
        out = F.grouped_mm(self.act({names}), self.down.mT, offs=ends)
        out = gates.flatten()[slots].unsqueeze(-1) * out
        return torch.zeros_like(x).index_add_(0, row, out)

    def segments(self, x: Tensor, gates: Tensor, chosen: Tensor) -> Tensor:
        """One expert after the other, on rows in order of their expert."""
        slots, counts = self.by_expert(chosen)
        row = slots // self.active
        parts = zip(x[row].split(counts.tolist()), self.each())
        out = torch.cat([self.expert(part, *own) for part, own in parts if len(part)])
        out = gates.flatten()[slots].unsqueeze(-1) * out
        return torch.zeros_like(x).index_add_(0, row, out)

    def where(self, x: Tensor, gates: Tensor, chosen: Tensor) -> Tensor:
        """One expert after the other, each looking for its rows: nothing leaves the graph."""
        out = torch.zeros_like(x)
        for i, own in enumerate(self.each()):
            row, slot = torch.where(chosen == i)
            part = gates[row, slot].unsqueeze(-1) * self.expert(x[row], *own)
            out.index_add_(0, row, part)
        return out

    def by_expert(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Slots of `chosen` in order of their expert, and the number of each expert's."""
        flat = chosen.flatten()
        counts = flat.new_zeros(self.experts).scatter_add_(0, flat, torch.ones_like(flat))
        return flat.argsort(stable=True), counts'''


EMITTERS: dict[str, Emitter] = {
    "moe": _moe,
}
