"""A mixture of experts: a router scores them, those it selects read the same input, their outputs are mixed.

Experts that all inputs go to are one wide feed-forward beside it.
"""

from __future__ import annotations

from scalec import catalogue as codes
from scalec.program import ops
from scalec.program.blocks.layers import NONLINEARITIES, matrix
from scalec.program.blocks.mlp import ACT, bend, feed_forward
from scalec.program.blocks.mlp import GATES as GATED
from scalec.program.building import Block, Builder
from scalec.program.program import Axis
from scalec.program.specs import BlockSpec, Option
from scalec.program.streaming import Value
from scalec.symbolic.formula import UNIT, Formula, as_number, mul

GATES = {"sigmoid": "sigmoid", "linear": "identity"}  # what a gate makes of its score alone
SOFTMAX = ("softmax", "softmax_selected")


def _moe(b: Builder, at: Block, x: Value) -> Value:
    """`sum over experts of scale * gate * down(act(up(x)))`, over the active ones, and what the shared ones say."""
    experts, width = at.size("experts"), at.size("width")
    active = at.size("active") if "active" in at.options else experts
    at.options |= {"active": active, "input": x.width}
    at.relative |= {"experts": experts, "active": active}
    axis = Axis(f"{at.path}.experts", experts, "expert")
    copies = b.emit(ops.Broadcast(f"{at.path}.copies", x.name, axis.name, active))
    gates = _gates(b, at, copies, x.width, axis, active)

    def expert(local: str, name: str, fan_in: Formula, fan_out: Formula) -> str:
        return matrix(b, at, Value(name, fan_in), fan_out, f"expert.{local}", local, stack=axis).name

    word = at.word("act")
    bent = expert("gate", copies, x.width, width) if word in GATED else None
    hidden = bend(b, f"{at.path}.", word, expert("up", copies, x.width, width), bent)
    out = expert("down", hidden, width, x.width)
    mixed = b.emit(ops.Mix(f"{at.path}.out", gates, out, active, axis.name))
    return Value(_with_shared(b, at, x, mixed), x.width)


def _with_shared(b: Builder, at: Block, x: Value, mixed: str) -> str:
    """Beside the mixture, `shared` experts that every input goes to: a feed-forward of their width together."""
    if "shared" not in at.options:
        return mixed
    count = as_number(at.size("shared"))
    if count is not None and (count <= 0 or count.denominator > 1):
        helps = ["leave `shared` away where there are none"]
        b.reporter.fail(codes.OPTION, f"there cannot be {count} shared experts", at.node.span, helps=helps)
    together = at.options["shared_width"] = mul(at.size("shared"), at.size("width"))
    said = feed_forward(b, at, x, together, "shared.")
    site = at.site("shared.out", "moe.shared")
    return b.emit(ops.Add(f"{at.path}.sum", (mixed, b.emit(ops.Scale(site, said.name, site)))))


def _gates(b: Builder, at: Block, copies: str, width: Formula, axis: Axis, active: Formula) -> str:
    """The weight of each expert that is met: its score, through the gate's function, times the site's factor."""
    path = f"{at.path}.router"
    at.tensor("router", "router", fan_in=width, fan_out=axis.count, shape=(axis.count, width), layout="out_in")
    scores = b.emit(ops.Linear(path, copies, path, rows=axis.name))
    site = at.site("logits", "router.logits")
    logits = b.emit(ops.Scale(site, scores, site))
    kind, name = at.word("router"), f"{at.path}.gates"
    if kind in GATES:
        path = f"{name}.alone" if at.flag("normalised") else name
        gates = alone = b.emit(ops.Elementwise(path, logits, NONLINEARITIES[GATES[kind]]))
    else:
        gates = alone = b.emit(ops.Softmax(name, logits, axis.count if kind == "softmax" else active, axis.name))
    if at.flag("normalised"):
        _require_positive(b, at, kind)
        gates = b.emit(ops.Share(name, gates, active, axis.name))
    site = at.site("combine", "moe.combine")
    gates = b.emit(ops.Scale(site, gates, site))
    _balance(b, at, logits, alone, gates, axis, active)
    return gates


def _balance(b: Builder, at: Block, logits: str, alone: str, gates: str, axis: Axis, active: Formula) -> None:
    """What keeps experts evenly met: a loss on their gates or on their shares of all scores, or steps of biases that
    take part in the choice alone. The site is the factor of the loss, or the length of a step.
    """
    kind, given = at.word("balance"), at.options.get("balance_of")
    if given and kind != "loss":
        b.reporter.fail(codes.OPTION, "`balance_of` says nothing without `balance = loss`", at.node.span)
    at.options["balance_of"] = read = given or "scores"
    if kind == "no":
        return
    site = at.site("balance", "moe.balance", required=True)
    if kind == "bias":
        b.emit(ops.Scale(site, b.emit(ops.Constant(f"{site}.step", UNIT)), site))
        return
    if at.word("router") == "linear":
        helps = ["`balance = bias` needs none"]
        b.reporter.fail(codes.OPTION, "a balancing loss needs positive gates", at.node.span, helps=helps)
    of_all = read == "scores"
    if of_all and at.word("router") == "sigmoid":
        gates = b.emit(ops.Share(f"{site}.shares", alone, axis.count, axis.name))
    elif of_all:
        gates = b.emit(ops.Softmax(f"{site}.shares", logits, axis.count, axis.name))
    scaled = b.emit(ops.Scale(f"{site}.scaled", gates, site))
    b.emit(ops.Balance(site, scaled, axis.name, axis.count, active, everywhere=of_all))


def _require_positive(b: Builder, at: Block, kind: str) -> None:
    """A share is a positive number of the sum of positive ones."""
    if kind == "sigmoid":
        return
    reasons = {
        "linear": ("can be negative: their sum may be 0", ["`router = softmax_selected` has positive gates of sum 1"]),
        "softmax": ("of the chosen over their sum are `router = softmax_selected`", ["say that instead"]),
        "softmax_selected": ("are normalised already", ["leave `normalised` away"]),
    }
    why, helps = reasons[kind]
    b.reporter.fail(codes.OPTION, f"gates of `router = {kind}` {why}", at.node.span, helps=helps)


SPECS = (
    BlockSpec(
        "moe",
        (
            Option("experts", "size"),
            Option("active", "size", optional=True),
            Option("width", "size"),
            Option("router", "word", None, (*GATES, *SOFTMAX), "sigmoid"),
            Option("normalised", "flag", default=False),
            Option("balance", "word", None, ("no", "loss", "bias"), "no"),
            Option("balance_of", "word", None, ("scores", "gates"), optional=True),
            Option("router_fp32", "flag", default=False),
            Option("shared", "size", optional=True),
            ACT,
        ),
        _moe,
        "moe",
    ),
)
