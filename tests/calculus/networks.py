"""Small networks and rules built by hand, so that tests of the calculus need no language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from scalec.calculus.scaling import Family, Scaling, TensorScaling
from scalec.program import ops
from scalec.program.program import Axis, Dimension, Program, Storage, Tensor, Use
from scalec.symbolic.formula import UNIT, Formula, divide, mul, power, symbol
from scalec.symbolic.order import ONE, Order, Regime

N, L, H, F, K, M = (symbol("size", name) for name in "NLHFKM")
RELU = ops.Nonlinearity("relu")
SILU = ops.Nonlinearity("silu")
WIDTH = Regime("width", ("s",), (("N", Order.of({"s": 1})),))
DEPTH = Regime("depth", ("s",), (("L", Order.of({"s": 1})),))
BOTH = Regime("both", ("s", "t"), (("N", Order.of({"s": 1})), ("L", Order.of({"t": 1}))))
HEAD_DIM = Regime("head_dim", ("s",), (("N", Order.of({"s": 1})), ("H", ONE)))


def half(formula: Formula) -> Formula:
    return power(formula, Fraction(1, 2))


def inverse(formula: Formula) -> Formula:
    return power(formula, -1)


class Net:
    """Collects operations and tensors. A tensor's role is its last name: input, hidden, readout, ..."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.operations: list[ops.Operation] = []
        self.tensors: list[Tensor] = []
        self.sites: dict[tuple[str, str], Formula] = {}
        self.axes: tuple[Axis, ...] = ()
        self.program: Program

    def op(self, operation: ops.Operation) -> str:
        self.operations.append(operation)
        return operation.out

    def tensor(self, path: str, *uses: Use) -> None:
        storage = Storage(path, "out_in")
        self.tensors.append(Tensor(path, path.split(".")[-1], "matrix", (), uses, storage, self.axes))

    def data(self, one_hot: bool = False) -> str:
        return self.op(ops.Input("data", UNIT, one_hot))

    def linear(self, path: str, x: str, fan_in: Formula, fan_out: Formula) -> str:
        self.tensor(path, Use(fan_in, fan_out))
        return self.op(ops.Linear(path, x, path))

    def vector(self, kind: type[ops.Gain] | type[ops.Bias], path: str, x: str, length: Formula) -> str:
        self.tensor(path, Use(UNIT, length))
        return self.op(kind(f"{path}.out", x, path))

    def act(self, x: str, function: ops.Nonlinearity = RELU) -> str:
        return self.op(ops.Elementwise(f"{x}.{function.name}", x, function))

    def norm(self, x: str, out: str) -> str:
        return self.op(ops.Normalise(out, x, N, True))

    def scale(self, x: str, site: str, factor: Formula) -> str:
        self.sites[site, "scale"] = factor
        return self.op(ops.Scale(f"{site}.out", x, site))

    def repeat(self, x: str, count: Formula, body: Callable[[str], str]) -> str:
        outer, self.operations = self.operations, []
        self.axes = (*self.axes, Axis("block", count))
        end = body("block.in")
        inner, self.operations = self.operations, outer
        self.axes = self.axes[:-1]
        return self.op(ops.Repeat("block", x, "block", count, "block.in", end, tuple(inner)))

    def done(self, x: str, length: Formula = UNIT) -> Program:
        self.op(ops.Output("out", x, length))
        dimensions = tuple(Dimension(name) for name in "NLHFKM")
        return Program(self.name, dimensions, (), tuple(self.operations), tuple(self.tensors), ())


def mlp() -> Net:
    """Input, one hidden layer, readout: widths 1, N, N, 1."""
    net = Net("mlp")
    x = net.act(net.linear("input", net.data(), UNIT, N))
    x = net.act(net.linear("hidden", x, N, N))
    net.program = net.done(net.linear("readout", x, N, UNIT))
    return net


def residual(factor: Formula, hidden: Formula = N) -> Net:
    """Pre-norm residual network of depth L, two matrices a block."""
    net = Net("residual")
    x = net.linear("input", net.data(), UNIT, N)

    def body(carried: str) -> str:
        h = net.linear("block.up", net.norm(carried, "block.norm"), N, hidden)
        h = net.linear("block.down", net.act(h), hidden, N)
        return net.op(ops.Add("block.out", (carried, net.scale(h, "block.residual", factor))))

    x = net.norm(net.repeat(x, L, body), "norm")
    net.program = net.done(net.linear("readout", x, N, UNIT))
    return net


def attention(factor: Formula) -> Net:
    """One attention layer with H heads between an embedding and a readout."""
    net = Net("attention")
    x = net.linear("embedding", net.data(one_hot=True), UNIT, N)
    split = {}
    for name in ("q", "k", "v"):
        flat = net.linear(name, x, N, N)
        split[name] = net.op(ops.Reshape(f"{name}.heads", flat, "heads", H, split=True))
    dots = net.op(ops.Dot("dots", split["q"], split["k"], divide(N, H)))
    weights = net.op(ops.Softmax("weights", net.scale(dots, "logits", factor), UNIT))
    mixed = net.op(ops.Mix("mixed", weights, split["v"], UNIT))
    merged = net.op(ops.Reshape("merged", mixed, "heads", H, split=False))
    x = net.op(ops.Add("stream", (x, net.linear("o", merged, N, N))))
    net.program = net.done(net.linear("readout", net.norm(x, "norm"), N, UNIT))
    return net


def attentive(factor: Formula) -> Net:
    """Pre-norm residual network of depth L with attention in its blocks, heads as wide as the stream."""
    net = Net("attentive")
    x = net.linear("embedding", net.data(one_hot=True), UNIT, N)

    def body(carried: str) -> str:
        x = net.norm(carried, "block.norm")
        q, k, v = (net.linear(f"block.{name}", x, N, N) for name in "qkv")
        weights = net.op(ops.Softmax("block.weights", net.op(ops.Dot("block.dots", q, k, N)), UNIT))
        o = net.linear("block.o", net.op(ops.Mix("block.mixed", weights, v, UNIT)), N, N)
        return net.op(ops.Add("block.out", (carried, net.scale(o, "block.residual", factor))))

    x = net.norm(net.repeat(x, L, body), "norm")
    net.program = net.done(net.linear("readout", x, N, UNIT))
    return net


def experts() -> Net:
    """M experts under a soft router, one matrix each, between input and readout."""
    net = Net("experts")
    x = net.linear("input", net.data(), UNIT, N)
    logits = net.op(ops.Reshape("logits", net.linear("router", x, N, M), "experts", M, split=True))
    gates = net.op(ops.Softmax("gates", logits, M))
    net.axes = (Axis("experts", M),)
    out = net.linear("expert", x, N, N)
    net.axes = ()
    x = net.op(ops.Mix("sum", gates, out, M, "experts"))
    net.program = net.done(net.linear("readout", x, N, UNIT))
    return net


def tied() -> Net:
    """An embedding that is also the readout, transposed; one hidden layer on the residual stream."""
    net = Net("tied")
    net.tensor("embedding", Use(UNIT, N, transposed=True), Use(N, UNIT))
    x = net.op(ops.Linear("embedding.in", net.data(one_hot=True), "embedding", 0))
    h = net.linear("hidden", net.norm(x, "norm"), N, N)
    x = net.op(ops.Add("stream", (x, net.linear("down", net.act(h), N, N))))
    net.program = net.done(net.op(ops.Linear("readout", x, "embedding", 1)))
    return net


def gated() -> Net:
    """SwiGLU between input and readout: `down(silu(gate x) * up x)`, then the readout."""
    net = Net("gated")
    x = net.act(net.linear("input", net.data(), UNIT, N))
    gate, up = net.act(net.linear("gate", x, N, N), SILU), net.linear("up", x, N, N)
    h = net.op(ops.Multiply("product", gate, up, mean_x=True))
    x = net.linear("down", h, N, N)
    net.program = net.done(net.linear("readout", net.norm(x, "norm"), N, UNIT))
    return net


def modulated() -> Net:
    """A readout that reads `x * u`, where `u` of mean 0 is computed from another input."""
    net = Net("modulated")
    x = net.act(net.linear("input", net.data(), UNIT, N))
    x = net.linear("hidden", x, N, N)
    u = net.linear("side", net.op(ops.Input("other", UNIT, one_hot=False)), UNIT, N)
    net.program = net.done(net.linear("readout", net.op(ops.Multiply("product", x, u)), N, UNIT))
    return net


# ---- rules -----------------------------------------------------------------------------------
def rule(net: Net, of: Callable[[Tensor], TensorScaling]) -> Scaling:
    return Scaling({t.path: of(t) for t in net.tensors}, dict(net.sites))


def mup(family: Family) -> Callable[[Tensor], TensorScaling]:
    """muP in table 3 form. The readout's fan_out and the input's fan_in are 1."""

    def of(tensor: Tensor) -> TensorScaling:
        use = tensor.uses[0]
        init = inverse(use.fan_in) if use.fan_out == UNIT else inverse(half(use.fan_in))
        rates = {
            "sgd": divide(use.fan_out, use.fan_in),
            "entrywise": inverse(use.fan_in),
            "spectral": half(divide(use.fan_out, use.fan_in)),
        }
        eps = inverse(use.fan_out) if family == "entrywise" else None
        return TensorScaling(init, rates[family], family, scale=(UNIT,) * len(tensor.uses), eps=eps)

    return of


Rule = Callable[[Tensor], TensorScaling]


def change(of: Rule, path: str, **factors: Formula | None) -> Rule:
    """The rule with attributes of one tensor multiplied, or taken away (None)."""

    def changed(tensor: Tensor) -> TensorScaling:
        scaling = of(tensor)
        if tensor.path != path:
            return scaling
        new = {name: None if f is None else mul(getattr(scaling, name) or UNIT, f) for name, f in factors.items()}
        return replace(scaling, **new)

    return changed
