"""Blocks that stand nowhere in the forward pass: what they say holds of every dense weight with one of some roles.

They are read before all others. A dense weight asks for them where it is made (`Block.dense`, `layers.matrix`).
"""

from __future__ import annotations

from scalec import catalogue as codes
from scalec.diagnostics import did_you_mean
from scalec.program import ops
from scalec.program.building import Block, Builder
from scalec.program.program import Axis
from scalec.program.specs import BlockSpec, Option
from scalec.program.streaming import Value
from scalec.resolve.vocabulary import ROLES, covers, with_wholes
from scalec.symbolic.formula import Formula


def _modifier(b: Builder, at: Block, x: Value) -> Value:
    """Noted for the weights that will ask. One weight has one modifier of a kind."""
    known = with_wholes(ROLES)
    for role in at.words("on"):
        if role not in known:
            b.reporter.fail(codes.UNKNOWN_WORD, f"unknown role `{role}`", at.node.span, helps=did_you_mean(role, known))
        for other in b.modifiers:
            if other.spec is at.spec and any(covers(o, role) or covers(role, o) for o in other.words("on")):
                message = f"`{role}` has a `{at.spec.kind}` already"
                b.reporter.fail(codes.DUPLICATE_NAME, message, at.node.span, labels=[(other.node.span, "first here")])
    b.modifiers.append(at)
    return x


def adapted(
    b: Builder, at: Block, x: Value, out: Value, role: str, local: str,
    sides: tuple[Formula, ...] | None = None, stack: Axis | None = None,
) -> Value:  # fmt: skip
    """`W x + scale * B A x` where a `lora` speaks of the role of W, which made `out`; else `out`.

    A reads what W reads, so that its rows are stored as those of W; of a stack of weights each has an adapter.
    """
    lora = b.modifier("lora", role)
    if lora is None:
        return out
    rank = {"rank": lora.size("rank")}
    prefix, stored = ("", f"{at.stored}_") if local == "weight" else (f"{local}.", f"{at.stored}.{local}_")
    inner = at.dense(
        x, rank["rank"], "lora.a", f"{prefix}lora.a", sides=sides, stack=stack, relative=rank, stored=f"{stored}lora_a"
    )
    adapter = at.dense(
        inner, out.width, "lora.b", f"{prefix}lora.b", stack=stack, relative=rank, stored=f"{stored}lora_b"
    )
    site = at.site(f"{prefix}lora", "lora", relative=rank)
    scaled = b.emit(ops.Scale(site, adapter.name, site))
    return Value(b.emit(ops.Add(f"{at.path}.{prefix}adapted", (out.name, scaled))), out.width)


def check_met(b: Builder) -> None:
    """Every role that a modifier names is the role of some dense weight."""
    for at in b.modifiers:
        for role in at.words("on"):
            if role not in at.met:
                kind = at.spec.kind
                b.reporter.report(
                    codes.OPTION,
                    f"`{kind}` is on `{role}`, and no dense weight of the network is",
                    at.node.span,
                    notes=[f"its dense weights are {', '.join(b.dense)}"],
                )


SPECS = (
    BlockSpec(
        "sparse", (Option("density", "size"), Option("on", "roles")), _modifier, None, modifier=True, density="density"
    ),
    BlockSpec("lora", (Option("rank", "size"), Option("on", "roles")), _modifier, None, modifier=True),
)
