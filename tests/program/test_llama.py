"""Programs of llama's blocks: which operations there are, what the tensors are called and how wide they are."""

from __future__ import annotations

import pytest

from scalec.program import ops
from scalec.program.program import Program
from scalec.symbolic.text import plain
from tests.planning import assert_sound, program_of

SIZES = "dims N, L, H = N/32, Hkv = H/4, F = 4*N  fixed V = 256, T = 64"


def block(text: str, end: str = "readout(V)") -> Program:
    """A network of one residual block, checked."""
    body = f"embed(V, N, context = T) repeat L {{ residual {{ {text} }} }} {end}"
    program = program_of(f"network net {{ {SIZES} {body} }}")
    assert_sound(program)
    return program


def inside(program: Program) -> tuple[ops.Operation, ...]:
    return next(op.body for op in program.operations if isinstance(op, ops.Repeat))


def kinds(program: Program) -> list[str]:
    return [type(op).__name__ for op in inside(program)]


def test_a_group_of_queries_shares_a_key() -> None:
    program = block("attention(heads = H, kv_heads = Hkv)")
    widths = {name: plain(program.tensor[f"block.attention.{name}"].shape[0]) for name in "qkvo"}
    assert widths == {"q": "N", "k": "Hkv*N/H", "v": "Hkv*N/H", "o": "N"}
    shared = [op for op in inside(program) if isinstance(op, ops.Broadcast)]
    assert [(op.x, op.axis, plain(op.count)) for op in shared] == [
        ("block.attention.k.kv_heads", "block.attention.group", "H/Hkv"),
        ("block.attention.v.kv_heads", "block.attention.group", "H/Hkv"),
    ]
    relative = {name: plain(size) for name, size in program.tensor["block.attention.k"].relative}
    assert (relative["heads"], relative["kv_heads"], relative["head_dim"]) == ("H", "Hkv", "N/H")


def test_as_many_keys_as_queries_share_nothing() -> None:
    assert block("attention(heads = H, kv_heads = H)").operations == block("attention(heads = H)").operations


@pytest.mark.parametrize("option", ["rope", "rope, rope_base = 500000", "rope, rope_layout = pairs", "causal"])
def test_what_moves_no_order_makes_no_operation(option: str) -> None:
    plain_, other = block("attention(heads = H)"), block(f"attention(heads = H, {option})")
    assert (other.operations, other.tensors) == (plain_.operations, plain_.tensors)
    assert other.regions != plain_.regions


def test_queries_and_keys_are_normalised_head_by_head() -> None:
    program = block("attention(heads = H, qk_norm)")
    for name in ("q_norm", "k_norm"):
        gain = program.tensor[f"block.attention.{name}.gain"]
        assert (gain.role, plain(gain.shape[0])) == ("attention.qk_norm.gain", "N/H")
        assert gain.storage.name == f"blocks.{{block}}.attention.{name}.weight"
    assert kinds(program).count("Normalise") == 2
    assert not any(op.centred for op in inside(program) if isinstance(op, ops.Normalise))


def test_a_gated_mlp_multiplies_two_branches() -> None:
    program = block("mlp(width = F, act = swiglu)")
    assert [t.role for t in program.tensors if "mlp" in t.role] == ["mlp.gate", "mlp.up", "mlp.down"]
    (product,) = (op for op in inside(program) if isinstance(op, ops.Multiply))
    assert (product.x, product.y, product.mean_x, product.mean_y) == (
        "block.mlp.activation", "block.mlp.up", True, False
    )  # fmt: skip


def test_rms_norm_does_not_centre() -> None:
    centred = [op.centred for op in inside(block("norm(rms) norm(layer)")) if isinstance(op, ops.Normalise)]
    assert centred == [False, True]


def test_biases_have_names_of_their_own() -> None:
    program = block(
        "norm(layer, bias) attention(heads = H, bias) mlp(width = F, bias) linear(N, bias)", "readout(V, bias)"
    )
    biases = {t.path: t.storage.name for t in program.tensors if t.role == "bias"}
    stored = "blocks.{block}."
    assert biases == {
        "block.norm.bias": f"{stored}norm.bias",
        **{f"block.attention.{t}.bias": f"{stored}attention.{t}.bias" for t in "qkvo"},
        "block.mlp.up.bias": f"{stored}mlp.up.bias",
        "block.mlp.down.bias": f"{stored}mlp.down.bias",
        "block.linear.bias": f"{stored}linear.bias",
        "readout.bias": "readout.bias",
    }
    assert {program.tensor[path].shape_class for path in biases} == {"vector"}


def test_a_tied_readout_is_a_second_use_of_the_table() -> None:
    program = block("mlp(width = F)", "readout(V, tied = yes)")
    assert "readout" not in program.tensor
    table = program.tensor["embed"]
    assert [(plain(u.fan_in), plain(u.fan_out), u.transposed) for u in table.uses] == [
        ("1", "N", True),
        ("N", "V", False),
    ]
    assert [(view.role, view.shape_class, view.uses[0].scale) for view in table.views] == [
        ("embedding", "input", "scale"),
        ("readout", "output", "scale.readout"),
    ]
    assert (table.shape_class, table.storage.name) == ("input", "embed.weight")
