"""From networks to programs: names, axes, relative sizes, depth; unusual networks; what cannot be built."""

from __future__ import annotations

import pytest

from scalec.pipeline import diagnose_text
from scalec.program import ops
from scalec.program.program import Program, Region
from scalec.symbolic.text import plain
from tests.planning import PACKS, diagnostics, program_of

BODIES = {
    "parallel": """
      embed(vocabulary = V, width = N) position(T)
      repeat L { norm(layer) residual { sum { branch { attention(heads = H, causal) } branch { mlp(width = F) } } } }
      norm(layer) readout(V)""",
    "post_norm": """
      embed(vocabulary = V, width = N) position(T)
      repeat L { residual { attention(heads = H, causal) } norm(layer) residual { mlp(width = F) } norm(layer) }
      readout(V)""",
    "two_repeats": """
      embed(vocabulary = V, width = N) position(T)
      repeat L as wide { residual { norm(layer) mlp(width = F, act = relu) } }
      repeat 3 as mixed { residual { norm(layer, gain = no) attention(heads = H) } }
      norm(layer) readout(V)""",
}


def network(body: str, sizes: str = "dims N, L, H = N/32, F = 4*N  fixed V = 256, T = 64") -> str:
    return f"network net {{ {sizes} {body} }}"


def mistakes(body: str, sizes: str = "dims N, L, H = N/32, F = 4*N  fixed V = 256, T = 64") -> list[str]:
    return [f"{d.code.id} {d.message}" for d in diagnose_text(PACKS + network(body, sizes))]


def kinds(regions: tuple[Region, ...]) -> list[object]:
    """Kinds of blocks, nested as they are."""
    return [[r.kind, kinds(r.children)] if r.children else r.kind for r in regions]


def relative(program: Program, path: str) -> dict[str, str]:
    place = program.tensor.get(path) or program.site[path]
    return {name: plain(size) for name, size in place.relative}


# ---- unusual networks ------------------------------------------------------------------------
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_unusual_networks_become_sound_programs(body: str) -> None:
    program_of(network(body))


def test_branches_share_their_input_and_are_added() -> None:
    program = program_of(network(BODIES["parallel"]))
    (repeat,) = (o for o in program.operations if isinstance(o, ops.Repeat))
    (total,) = (o for o in repeat.body if isinstance(o, ops.Add) and o.out == "block.sum")
    assert total.xs == ("block.attention.o", "block.mlp.down")
    assert {o.x for o in repeat.body if isinstance(o, ops.Linear)} >= {"block.norm"}
    assert program.site["block.residual.attention"].roles == ("residual", "residual.attention", "residual.mlp")
    assert kinds(program.regions)[2] == [
        "repeat", ["norm", ["residual", [["sum", [["branch", ["attention"]], ["branch", ["mlp"]]]]]]]
    ]  # fmt: skip


def test_depth_counts_every_block_on_the_stream() -> None:
    program = program_of(network(BODIES["two_repeats"]))
    assert {relative(program, t.path)["depth"] for t in program.tensors} == {"3 + L"}
    assert {(t.storage.name, t.axes[0].name, plain(t.axes[0].count)) for t in program.tensors if t.axes} >= {
        ("wide.{wide}.mlp.up.weight", "wide", "L"),
        ("mixed.{mixed}.attention.q.weight", "mixed", "3"),
    }


def test_repeats_inside_repeats_multiply() -> None:
    program = program_of(network("embed(vocabulary = V, width = N) repeat L { repeat 2 { linear(N) } } readout(V)"))
    (inner,) = (t for t in program.tensors if t.role == "linear")
    assert inner.storage.name == "blocks.{block}.blocks.{block.block}.linear.weight"
    assert [(a.name, plain(a.count)) for a in inner.axes] == [("block", "L"), ("block.block", "2")]
    assert relative(program, inner.path)["depth"] == "2*L"


def test_the_sizes_of_an_attention_are_known_to_its_tensors_and_sites() -> None:
    program = program_of(network(BODIES["post_norm"]))
    expected = {"heads": "H", "kv_heads": "H", "head_dim": "N/H", "depth": "L", "context": "T"}
    for path in ("block.attention.q", "block.attention.logits"):
        assert relative(program, path) == expected
    assert "heads" not in relative(program, "block.mlp.up")


def test_without_a_repeat_there_is_no_depth() -> None:
    program = program_of(network("input(8) linear(N) readout(2)", "dims N"))
    assert relative(program, "linear") == {}


# ---- names -----------------------------------------------------------------------------------
def test_blocks_are_called_after_their_kind_or_as_they_are_named() -> None:
    program = program_of(network("input(8) linear(N) linear(N) as mine act(relu) linear(N) readout(2)", "dims N"))
    assert [t.path for t in program.tensors] == ["linear", "mine", "linear2", "readout"]
    assert [t.storage.name for t in program.tensors] == [
        "linear.weight", "mine.weight", "linear2.weight", "readout.weight"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        "input(8) linear(N) as a linear(N) as a readout(2)",
        "input(8) linear(N) linear(N) as linear readout(2)",
        "input(8) linear(N) repeat 2 { linear(N) } linear(N) as blocks readout(2)",
    ],
)
def test_two_blocks_never_share_a_name(body: str) -> None:
    (found,) = mistakes(body, "dims N")
    assert found.startswith("SC202 another block here is called")


# ---- shape classes ---------------------------------------------------------------------------
def test_a_side_grows_if_it_names_a_dimension_that_is_not_fixed() -> None:
    body = "input(D) linear(N) as first linear(4*W) as second linear(W) as third norm(layer) readout(C)"
    program = program_of(network(body, "dims N  fixed D = 64, W = 16, C = 10").replace("network", "dim W network"))
    assert {t.path: t.shape_class for t in program.tensors} == {
        "first": "input", "second": "output", "third": "scalar", "norm.gain": "vector", "readout": "scalar"
    }  # fmt: skip


def test_a_dimension_may_be_fixed_where_it_is_declared() -> None:
    program = program_of("dim P fixed\n" + network("input(8) linear(P) readout(2)", "dims P = 4"))
    assert [t.shape_class for t in program.tensors] == ["scalar", "scalar"]


# ---- what cannot be built --------------------------------------------------------------------
CANNOT = [
    ("linear(N) readout(V)", "SC308 a network starts with the block that reads its input"),
    ("embed(V, N) linear(N)", "SC308 a network ends with `readout(SIZE)`"),
    ("embed(V, N) embed(V, N) readout(V)", "SC308 `embed` reads the input and stands first"),
    ("embed(V, N) readout(V) readout(V)", "SC308 nothing follows the readout"),
    ("embed(V, N) repeat L { embed(V, N) } readout(V)", "SC308 `embed` reads an input of the network"),
    ("embed(V, N) residual { readout(V) } readout(V)", "SC308 `readout` cannot stand inside another block"),
    ("embed(V, N) residual { linear(F) } readout(V)", "SC308 `residual` changes the width of the stream"),
    ("embed(V, N) repeat L { linear(F) } readout(V)", "SC308 `repeat` changes the width of the stream"),
    ("embed(V, N) sum { branch { linear(F) } branch { linear(N) } } readout(V)", "SC308 `sum` changes the width"),
    ("embed(V, N) sum { } readout(V)", "SC308 `sum` has no branch"),
    ("embed(V, N) sum { linear(N) } readout(V)", "SC308 `sum` takes branches only, not `linear`"),
    ("embed(V, N) branch { linear(N) } readout(V)", "SC308 `branch` stands in a `sum`"),
    ("embed(V, N) linear(N) { } readout(V)", "SC308 `linear` takes no braces"),
    ("embed(V, N) residual readout(V)", "SC308 `residual` takes blocks in braces"),
    ("embed(V, N) residual as r { linear(N) } readout(V)", "SC308 `residual` takes no name"),
    ("embed(V, N) linear(N) as class readout(V)", "SC308 `class` cannot be a name here: it is a word of Python"),
    ("embed(V, N) atention(heads = H) readout(V)", "SC208 unknown block `atention`"),
    ("embed(V, N) norm(rms, bias) readout(V)", "SC307 only `norm(layer)` with its gain has a bias"),
    ("embed(V, N) norm(layer, gain = no, bias) readout(V)", "SC307 only `norm(layer)` with its gain has a bias"),
    ("embed(V, N) attention(heads = H, rope) readout(V)", "SC307 `rope` needs to know how many positions there are"),
    ("embed(V, N) attention(heads = H, rope_base = 7) readout(V)", "SC307 `rope_base` says nothing without `rope`"),
    ("embed(V, N) readout(V, tied = yes, bias)", "SC307 a tied readout has no bias"),
    ("input(8) linear(N) readout(V, tied = yes)", "SC307 a tied readout reads the table of `embed`"),
    ("embed(V, N) readout(H, tied = yes)", "SC308 a tied readout has the sizes of `embed`"),
    ("embed(V, N) linear(F) readout(V, tied = yes)", "SC308 a tied readout has the sizes of `embed`"),
    ("embed(V, N) mlp(width = F) readout(V) sparse(density = 1/2, on = mlp)", "SC307 `on` of `sparse` takes a list"),
    ("embed(V, N) mlp(width = F) readout(V) lora(rank = 2, on = [linear])", "SC307 `lora` is on `linear`, and no"),
    ("embed(V, N) attention(causal) readout(V)", "SC307 `attention` needs `heads`"),
    ("embed(V, N) mlp(widht = F) readout(V)", "SC307 `mlp` has no option `widht`"),
    ("embed(V, N) mlp(width = F, act = gleu) readout(V)", "SC307 `act` of `mlp` cannot be `gleu`"),
    ("embed(V, N) mlp(width = F, width = F) readout(V)", "SC307 `width` is given twice"),
    ("embed(V, N) mlp(width = [F]) readout(V)", "SC307 `width` of `mlp` is not a list"),
    ("embed(V, N) linear(M) readout(V)", "SC301 `M` is no size here"),
    ("embed(V, N) attention(heads = N - N) readout(V)", "SC301 zero is raised to a power that is not positive"),
    ("embed(V, N) linear(N^(1/0)) readout(V)", "SC301 zero is raised to a power"),
    ("embed(V, N) modulate(by = c) readout(V)", "SC201 `by` of `modulate` names no side stream: `c`"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), CANNOT)
def test_what_cannot_be_built_is_said(body: str, message: str) -> None:
    found = mistakes(body)
    assert [m for m in found if m.startswith(message)], found


def test_every_broken_block_is_said_in_one_run() -> None:
    body = "embed(V, N) linear(M) norm(lyer) residual { atention(heads = H) mlp(width = Q) } readout(V)"
    assert [m[:5] for m in mistakes(body)] == ["SC301", "SC307", "SC208", "SC301"]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ("dims N, Q", "SC201 unknown dimension `Q`"),
        ("dims N, N", "SC202 dimension `N` is listed twice"),
        ("dims N = 2*N", "SC301 `N` is no size here"),
        ("dims N = 2*H, H = N/2", "SC204 the default of `N` depends on itself"),
        ("dims N = M", "SC301 `M` is no size here"),
        ("dims N  fixed V = 2*N", "SC301 `N` is no size here"),
        ("dims N  fixed V = sqrt(2)", "SC301 the size of `V` is a number"),
    ],
)
def test_sizes_that_mean_nothing_are_said(sizes: str, message: str) -> None:
    found = mistakes("input(8) linear(N) readout(2)", sizes)
    assert message in found, found


def test_a_network_with_parameters_takes_arguments() -> None:
    text = "network net(f, wide = 4) { dims N  input(8) linear(wide*N) act(f) readout(2) }"
    assert diagnose_text(PACKS + text) == ()
    program = program_of(text, "net(f = tanh)")
    assert [plain(t.shape[0]) for t in program.tensors] == ["4*N", "2"]
    assert [plain(t.shape[0]) for t in program_of(text, "net(relu, wide = 1/2)").tensors] == ["0.5*N", "2"]


def test_a_size_that_is_not_listed_is_to_be_listed() -> None:
    text = "network net { dims N  embed(V, N) readout(8) }"
    (found,) = diagnostics(lambda: program_of(text))
    assert found.helps == ("a network lists its sizes: `dims V` may grow, `fixed V = ...` never does",)
