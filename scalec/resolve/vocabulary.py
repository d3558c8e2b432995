"""The closed sets of words a rule may use. Roles cover their parts: `mlp` selects `mlp.up`.

A typo is always an error, because every word is looked up here or in a declaration.
"""

from __future__ import annotations

from functools import cache

SHAPE_CLASSES = ("matrix", "input", "output", "vector", "scalar")

ROLES = (
    "embedding", "embedding.position", "embedding.label", "readout", "linear",
    "attention.q", "attention.k", "attention.v", "attention.o", "attention.qk_norm.gain",
    "attention.q_down", "attention.kv_down", "attention.q_rope", "attention.k_rope",
    "mlp.up", "mlp.gate", "mlp.down", "router", "expert.up", "expert.gate", "expert.down",
    "norm.gain", "bias", "patch", "conv", "modulation", "lora.a", "lora.b",
)  # fmt: skip

SITES = (
    "residual", "residual.attention", "residual.mlp", "residual.moe", "residual.linear", "residual.conv",
    "attention.logits", "attention.output", "mlp.act", "logits",
    "moe.combine", "moe.shared", "router.logits", "moe.balance", "lora",
)  # fmt: skip

INIT_WORDS = ("normal", "uniform", "zero", "ones")
DECAY_WORDS = ("independent", "torch", "l2")
HEADS = "heads"  # what the parts of a weight are called that belong to one head each
UNSPLIT = "no"

# attribute -> the words it may be set to with `=`; an empty tuple means a number
TENSOR_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "init": INIT_WORDS, "init.std": (), "init.mean": (), "init.dist": INIT_WORDS, "init.shared": ("expert",),
    "scale": (), "lr": (), "eps": (), "wd": (), "wd.kind": DECAY_WORDS,
    "beta1": (), "beta2": (), "momentum": (), "frozen": ("yes", "no"), "split": (HEADS, UNSPLIT),
}  # fmt: skip

OWNER = "optimizer"  # the attribute of a tensor whose word is a declared name

RUN_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "lr": (), "eps": (), "wd": (), "batch": (), "tokens": (), "steps": (), "warmup": (), "final_lr": (),
    "schedule": ("constant", "linear", "cosine"), "beta1": (), "beta2": (), "momentum": (), "clip": (),
}  # fmt: skip

SITE_ATTRIBUTES: dict[str, tuple[str, ...]] = {"scale": (), "skip": ()}

ATTRIBUTES = {"tensor": TENSOR_ATTRIBUTES, "site": SITE_ATTRIBUTES, "run": RUN_ATTRIBUTES}

RUN_SIZES = {"batch": "what one step sees", "tokens": "what all steps see"}
QUOTIENTS = {"steps": ("tokens", "batch")}  # what is one size of the run over another, unless a rule says what it is
COUNTS = ("params", "params.active", "params.body", "params.body.active")

RELATIVE_SIZES = (
    "fan_in", "fan_out", "depth", "layer", "heads", "kv_heads", "head_dim", "experts", "active",
    "rank", "density", "kernel", "context", *RUN_SIZES, *QUOTIENTS, *COUNTS,
)  # fmt: skip


@cache
def with_wholes(roles: tuple[str, ...]) -> tuple[str, ...]:
    """Every dotted prefix of a role is a selector too: `attention.q` and `attention`."""
    found: dict[str, None] = {}
    for role in roles:
        parts = role.split(".")
        found.update(dict.fromkeys(".".join(parts[:i]) for i in range(1, len(parts) + 1)))
    return tuple(found)


def covers(selector: str, role: str) -> bool:
    """Whether a role selector names this role or a whole that the role is part of."""
    return role == selector or role.startswith(f"{selector}.")
