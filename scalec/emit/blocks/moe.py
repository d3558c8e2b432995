"""A mixture of experts, in PyTorch: one layer, and the ways to run it. Which one is chosen in `path` alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from scalec.emit.blocks.layers import call, matrix
from scalec.emit.blocks.mlp import bent, feed_forward
from scalec.emit.blocks.modifiers import adapter_of
from scalec.emit.blocks.sequence import Emitter
from scalec.emit.modules import Expr, ModuleWriter, statement
from scalec.program.program import Region
from scalec.symbolic.formula import UNIT

# What becomes of the scores: of the highest ones (`top`), or of all before some are chosen.
GATES = {
    "sigmoid": "torch.sigmoid(top)",
    "linear": "top",
    "softmax_selected": "torch.softmax(top, -1)",
    "softmax": "torch.softmax(scores, -1).gather(-1, chosen)",
}
# The logarithms of what each expert has of all scores.
SHARES = {
    "sigmoid": "F.logsigmoid(scores.to(wide))",
    "softmax": "scores.to(wide)",
    "softmax_selected": "scores.to(wide)",
}
GATES_MEAN = """mean = torch.zeros_like(scores, dtype=wide)
mean = mean.scatter(1, chosen, gates.to(wide)).mean(0)""".splitlines()
WIDE = "wide = torch.promote_types({of}.dtype, torch.float32)"
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
    stacks = {local: _stack(m, region, local) for local in (*into, "down")}
    factors = {local: stack.factor for local, stack in stacks.items()}
    hidden = [Expr(factors[local] + local) for local in reversed(into)]
    bends = bent(str(region.option("act")), hidden[0], hidden[1] if len(into) > 1 else None)
    names, down = ", ".join(into), stacks["down"].read
    unbound = ", ".join(f"{stack.read}.unbind()" for stack in stacks.values())
    text = WAYS.format(
        act=factors["down"] + (bends.factor if factors["down"] else bends.text),
        typed=", ".join(f"{local}: Tensor" for local in into),
        names=names,
        into=", ".join(f"F.linear(x, {local})" for local in into),
        each=_indented(f"return list(zip({unbound}, strict=True))"),
        dense=_indented(*(f"{n} = F.linear(x, {stacks[n].read}.flatten(0, 1))" for n in into)),
        last=_indented(f"return F.linear(hidden.flatten(1), {down}.transpose(0, 1).flatten(1))"),
        grouped=_indented(
            *(f"{n} = F.grouped_mm(rows, {stacks[n].read}.mT.to(x.dtype), offs=ends)" for n in into),
            f"out = F.grouped_mm(self.act({names}), {down}.mT.to(x.dtype), offs=ends)",
        ),
    )
    masked = [local for stack in stacks.values() for local in stack.masked]
    drawn = DRAW_MASKS + "".join(DRAWN.format(local) for local in masked) if masked else ""
    return [*drawn.splitlines(), *(line for stack in stacks.values() for line in stack.methods), *text.splitlines()]


def _indented(*lines: str) -> str:
    """Statements of a method."""
    return "\n".join(f"        {part}" for line in lines for part in statement(line, 8))


@dataclass(frozen=True)
class Stack:
    """A weight of all experts: what reads it, the factor in front of it, the methods that this takes, its masks."""

    read: str
    factor: str
    methods: list[str] = field(default_factory=list)
    masked: list[str] = field(default_factory=list)


def _stack(m: ModuleWriter, region: Region, local: str) -> Stack:
    """One parameter for all experts; an adapter is added to it, so that inputs of any expert meet one weight."""
    lora, stored = adapter_of(region, local), local.replace(".", "_")
    sides = ", ".join(map(m.whole, m.tensor(region, local).shape))
    parameter = m.attribute(stored, f"nn.Parameter(torch.empty(self.experts, {sides}))")
    factor = m.tensor_factor(region, local, f"{stored}_scale")
    density, read, masked = m.tensor(region, local).density, parameter, list[str]()
    if density != UNIT:
        m.attribute(f"{stored}_density", m.number(density))
        m.init += [f"mask = torch.ones_like({parameter}, dtype=torch.bool)"]
        m.init += [f'self.register_buffer("{stored}_mask", mask)']
        read, masked = f"{parameter} * {parameter}_mask", [stored]
    if lora is None:
        if not masked:
            return Stack(read, factor)
        return Stack(
            f"self.{stored}_kept()", factor, KEPT.format(stored, _indented(f"return {read}")).splitlines(), masked
        )
    a, b = (_stack(m, region, f"{lora}.{part}") for part in "ab")
    scale = m.site_factor(region, lora, f"{stored}_lora_scale") + b.factor + a.factor
    added = _indented(f"return {factor}{read} + {scale}({b.read} @ {a.read})")
    methods = [*a.methods, *b.methods, *ADAPTED.format(stored, added).splitlines()]
    return Stack(f"self.{stored}_adapted()", "", methods, [*masked, *a.masked, *b.masked])


def _route(m: ModuleWriter, region: Region) -> list[str]:
    """The scores of a row, which experts it goes to, and their gates; what counts them in training."""
    kind, balance = str(region.option("router")), str(region.option("balance"))
    scores, scale = _scores(m, region), m.site_factor(region, "logits", "logits_scale")
    lines = [f"scores = {scale}{scores}"]
    if region.option("router_fp32"):
        lines = [WIDE.format(of="x"), "with torch.autocast(x.device.type, enabled=False):", f"    {lines[0]}"]
    if balance == "bias":
        m.init += BIAS
        m.site_value(region, "balance", "balance_step")
        ranked = (
            f"{'torch.sigmoid(scores)' if kind == 'sigmoid' else 'scores'} + self.balance_step * self.balance_steps"
        )
        lines += [f"ranked = {ranked}", "chosen = ranked.topk(self.active, dim=-1).indices"]
        lines += ["top = scores.gather(-1, chosen)"]
    else:
        lines += ["top, chosen = scores.topk(self.active, dim=-1)"]
    written = NORMALISED if region.option("normalised") else GATES
    lines += [f"gates = {m.site_factor(region, 'combine', 'combine_scale')}{written[kind]}"]
    lines += ["if self.training:", *(f"    {line}" for line in _noted(m, region))] if balance != "no" else []
    methods = {"loss": BALANCE_LOSS, "bias": BALANCE_BIAS}.get(balance, "")
    return (ROUTE + "".join(f"        {line}\n" for line in lines) + ROUTED + methods).splitlines()


def _scores(m: ModuleWriter, region: Region) -> str:
    """`W x`, in float32 where the block says so, whatever type the weight or autocast has."""
    if not region.option("router_fp32"):
        return matrix(m, region, "router", "router", Expr("x")).text
    sides = ", ".join(m.whole(side) for side in reversed(m.tensor(region, "router").shape))
    router = m.attribute("router", f"nn.Linear({sides}, bias=False)")
    factor = m.tensor_factor(region, "router", "router_scale")
    return f"F.linear({factor}x.to(wide), {router}.weight.to(wide))"


def _noted(m: ModuleWriter, region: Region) -> list[str]:
    """What training keeps of a forward pass to balance the experts with."""
    if region.option("balance") == "bias":
        return ["self.load += self.counts(chosen)"]
    m.init += ["self.balance: Tensor | None = None"]
    scale = m.site_factor(region, "balance", "balance_scale")
    of_all = SHARES[str(region.option("router"))] if region.option("balance_of") == "scores" else ""
    mean = [f"mean = torch.softmax({of_all}, -1).mean(0)"] if of_all else GATES_MEAN
    wide = [] if region.option("router_fp32") else [WIDE.format(of="scores")]
    return [*wide, *mean, f"self.balance = {scale}self.uneven(mean, chosen)"]


FEWER = """if self.active > self.experts:
    counts = f"{self.active} of {self.experts}"
    raise ValueError(f"{counts} experts cannot be active")""".splitlines()

FORWARD = """rows = x.flatten(0, -2)
gates, chosen = self.route(rows)
way, dtype = getattr(self, self.path(rows)), self.product_dtype(rows)
out = way(rows.to(dtype), gates.to(dtype), chosen)""".splitlines()

PATH = '''
    def path(self, x: Tensor) -> str:
        """The way that rows `x` take: `dense`, `grouped`, `where` or `segments`."""
        if self.active == self.experts:
            return "dense"
        compiling, dtype = torch.compiler.is_compiling(), self.product_dtype(x)
        exact = dtype == torch.float32 and x.device.type == "cpu" and not compiling
        known = exact or dtype == torch.bfloat16
        aligned = all(n * dtype.itemsize % 16 == 0 for n in self.up.shape[1:])
        if known and aligned and hasattr(F, "grouped_mm"):
            return "grouped"
        return "where" if compiling else "segments"

    def product_dtype(self, x: Tensor) -> torch.dtype:
        """The type that experts compute in: autocast's, where it is on and has a say."""
        device = x.device.type
        if torch.is_autocast_enabled(device) and x.dtype != torch.float64:
            return torch.get_autocast_dtype(device)
        return x.dtype'''.splitlines()

ROUTE = '''
    def route(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Gates and numbers of the experts of each row, both [rows, active]."""
'''
ROUTED = '''        return gates, chosen

    def counts(self, chosen: Tensor) -> Tensor:
        """How many rows each expert has."""
        flat = chosen.flatten()
        ones = torch.ones_like(flat)
        return flat.new_zeros(self.experts).scatter_add_(0, flat, ones)
'''

# Whole numbers, which no cast of the module makes any coarser.
BIAS = """counts = torch.zeros(self.experts, dtype=torch.int64)
self.register_buffer("load", counts)
self.register_buffer("balance_steps", counts.clone())""".splitlines()

BALANCE_LOSS = '''
    def uneven(self, mean: Tensor, chosen: Tensor) -> Tensor:
        """Least where all experts have equally many rows; `mean`: of their gates."""
        load = self.counts(chosen).to(mean.dtype) / len(chosen)
        return self.experts * (load * mean).sum()
'''

BALANCE_BIAS = '''
    @torch.no_grad()
    def rebalance(self) -> None:
        """A step of the biases: down for experts with more rows than the mean, else up."""
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(self.load)
        self.balance_steps += (self.load.sum() - self.experts * self.load).sign()
        self.load.zero_()
'''

DRAW_MASKS = """
    def draw_mask(self, generator: torch.Generator) -> None:
"""
DRAWN = "        draw(self.{0}_mask, self.{0}_density, generator)\n"

KEPT = '''
    def {0}_kept(self) -> Tensor:
        """Weights outside the mask are 0, before and after training."""
{1}'''

ADAPTED = '''
    def {0}_adapted(self) -> Tensor:
        """The weight of each expert, and what its adapter adds."""
{1}'''

WAYS = '''
    def act(self, {typed}) -> Tensor:
        return {act}

    def expert(self, x: Tensor, {typed}, down: Tensor) -> Tensor:
        return F.linear(self.act({into}), down)

    def each(self) -> list[tuple[Tensor, ...]]:
        """The matrices of one expert after the other."""
{each}

    def dense(self, x: Tensor, gates: Tensor, chosen: Tensor) -> Tensor:
        """All experts on all rows: one wide layer, with the gates inside."""
        gates = gates.new_zeros(len(x), self.experts).scatter(1, chosen, gates)
{dense}
        hidden = self.act({names}).unflatten(1, (self.experts, -1))
        hidden = gates.unsqueeze(-1) * hidden
{last}

    def grouped(self, x: Tensor, gates: Tensor, chosen: Tensor) -> Tensor:
        """One product for all experts, on rows in order of their expert."""
        slots, counts = self.by_expert(chosen)
        row, ends = slots // self.active, counts.cumsum(0, dtype=torch.int32)
        rows = x[row]
{grouped}
        out = gates.flatten()[slots].unsqueeze(-1) * out
        return torch.zeros_like(x).index_add_(0, row, out)

    def segments(self, x: Tensor, gates: Tensor, chosen: Tensor) -> Tensor:
        """One expert after the other, on rows in order of their expert."""
        slots, counts = self.by_expert(chosen)
        row = slots // self.active
        parts = zip(x[row].split(counts.tolist()), self.each(), strict=True)
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
        return chosen.flatten().argsort(stable=True), self.counts(chosen)'''


EMITTERS: dict[str, Emitter] = {
    "moe": _moe,
}
