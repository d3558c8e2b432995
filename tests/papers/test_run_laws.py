"""Laws of decay, batch and horizon against what their papers and tools say, typed by hand.

Step Law: the authors' constants, and two points that their tool gives. The others: exponents, in the ratio of widths
`m`, of batches `b` and of tokens `d`; each row says how it was read.
"""

from __future__ import annotations

from fractions import Fraction
from math import isclose

import pytest

from scalec.operands import Operands
from scalec.pipeline import PlanRequest, plan
from scalec.plan.demands import unmet
from scalec.plan.model import Plan
from scalec.resolve.load import load_standard
from tests.planning import order, value, workspace

HALF = Fraction(1, 2)
HIDDEN = ("block.attention.q", "block.attention.o", "block.mlp.up", "block.mlp.down")

# arXiv:2510.15262, abstract (second-hand): matrices, vectors. arXiv:2405.13698, Eq. 15 (second-hand).
DECAY = {
    "robust_decay": {"lr": -1, "wd": HALF},
    "constant_timescale": {"lr": -1, "wd": 1},
}

# (batch, tokens) exponents. arXiv:2405.13698 (second-hand: larger batch, more decay; more data, less).
# arXiv:2205.10287 (recalled); ArchScale's code, modes sde and sdew (second-hand).
RUN: dict[str, dict[str, tuple[Fraction | int, int]]] = {
    "constant_timescale_run": {"lr": (0, 0), "eps": (0, 0), "wd": (1, -1), "1 - beta1": (0, 0), "1 - beta2": (0, 0)},
    "batch_sde": {"lr": (HALF, 0), "eps": (-HALF, 0), "wd": (0, 0), "1 - beta1": (1, 0), "1 - beta2": (1, 0)},
    "batch_sde_archscale": {
        "lr": (HALF, 0), "eps": (-HALF, 0), "wd": (0, 0), "1 - beta1": (0, 0), "1 - beta2": (1, 0),
    },
    "batch_sdew": {"lr": (0, 0), "eps": (-HALF, 0), "wd": (HALF, 0), "1 - beta1": (0, 0), "1 - beta2": (HALF, 0)},
}  # fmt: skip


def standard(rule: str, at: str, network: str = "gpt", base: str = "N=64,L=2") -> Plan:
    return plan(load_standard(), Operands(rule, network, "adamw"), PlanRequest((at,), base))


# ---- decay -------------------------------------------------------------------------------------
@pytest.mark.parametrize("rule", DECAY)
@pytest.mark.parametrize("path", HIDDEN)
def test_hidden_matrices(rule: str, path: str) -> None:
    made = standard(rule, "N=256")
    assert {name: order(made, f"{path}.{name}") for name in ("lr", "wd")} == DECAY[rule]


@pytest.mark.parametrize("path", ["embed", "position", "norm.gain", "block.norm.gain"])
def test_vectors_of_robust_decay_do_not_decay(path: str) -> None:
    made = standard("robust_decay", "N=256")
    assert (order(made, f"{path}.lr"), value(made, f"{path}.wd")) == (0, 0)


def test_the_gain_that_it_keeps_is_kept() -> None:
    """`sqrt(lr/wd) * fan_in^(3/4)`, of numbers."""
    gains = []
    for width in (64, 256, 4096):
        made = standard("robust_decay", f"N={width}")
        gains.append((value(made, "block.mlp.up.lr") / value(made, "block.mlp.up.wd")) ** 0.5 * width**0.75)
    assert all(isclose(gain, gains[0], rel_tol=1e-12) for gain in gains)


# ---- batch and tokens --------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("rule", RUN)
def test_what_moves_with_batch_and_tokens(rule: str) -> None:
    text = f"use std.batch_sde use std.constant_timescale rule mine extends mup, {rule} for adamw {{ }}"

    def numbers(sizes: str) -> dict[str, float]:
        request = PlanRequest((f"N=64,{sizes}",), "N=64,L=2,batch=4,tokens=1000")
        if "batch_sde" in rule:
            request = PlanRequest((f"N=64,{sizes.partition(chr(44))[0]}",), "N=64,L=2,batch=4")
        made = plan(workspace(text), Operands("mine", "gpt", "adamw"), request)
        found = {name: value(made, f"block.mlp.up.{name}") for name in ("lr", "eps", "wd", "beta1", "beta2")}
        return {n: found[n] for n in ("lr", "eps", "wd")} | {f"1 - {b}": 1 - found[b] for b in ("beta1", "beta2")}

    before, batch, tokens = (
        numbers("batch=4,tokens=1000"),
        numbers("batch=16,tokens=1000"),
        numbers("batch=4,tokens=9000"),
    )
    for name, (of_batch, of_tokens) in RUN[rule].items():
        assert isclose(batch[name] / before[name], 4 ** float(of_batch), rel_tol=1e-9), name
        if "batch_sde" not in rule:
            assert isclose(tokens[name] / before[name], 9.0**of_tokens, rel_tol=1e-9), name


def test_completed_p_keeps_decay_over_all_steps() -> None:
    """Its last column (arXiv:2512.22382, Table 1): lr * wd * steps is the same for every batch and every horizon."""
    kept = []
    for sizes in ("batch=512,tokens=1000000", "batch=2048,tokens=1000000", "batch=512,tokens=36000000"):
        made = standard("completed_p_run", f"N=64,{sizes}", base="N=64,L=2,batch=512,tokens=1000000")
        kept.append(value(made, "block.mlp.up.lr") * value(made, "block.mlp.up.wd") * value(made, "run.steps"))
    assert all(isclose(k, kept[0], rel_tol=1e-12) for k in kept)


# ---- Power Lines -------------------------------------------------------------------------------
# arXiv:2505.13738: batches in sequences of 2048, the share of a run that AdamW's memory is (constants recalled,
# exponents second-hand).
@pytest.mark.parametrize(("width", "depth", "tokens"), [(512, 8, 2 * 10**9), (1024, 8, 6 * 10**10)])
def test_memory_and_batch_of_power_lines(width: int, depth: int, tokens: int) -> None:
    made = standard("power_lines", f"N={width},L={depth},tokens={tokens}")
    parameters = (256 + 128 + 256) * width + depth * (12 * width**2 + 2 * width) + width
    batch, decay = value(made, "run.batch"), value(made, "run.lr") * value(made, "run.wd")
    assert batch == pytest.approx(2048 * 0.0306 * tokens**0.383, rel=1e-12)
    assert batch / (decay * tokens) == pytest.approx(1.084 * (tokens / parameters) ** -0.527, rel=1e-9)


# ---- Step Law ----------------------------------------------------------------------------------
SQUARE = """
use std.step_law
network square { dims N  fixed V = 8  embed(vocabulary = V, width = N)  linear(N)  readout(V) }
rule mine extends step_law for adamw { base N = 64 }
"""
# Parameters, tokens, rate, batch in tokens: what the authors' tool gives (with the paper's constants).
POINTS = [(7e9, 1.4e12, 9.17e-4, 5.00e6), (1e9, 100e9, 1.632e-3, 1.108e6)]


@pytest.mark.parametrize(("parameters", "tokens", "rate", "batch"), POINTS)
def test_points_of_the_authors_tool(parameters: float, tokens: float, rate: float, batch: float) -> None:
    width = round(parameters**0.5)  # a body of one matrix
    request = PlanRequest((f"N={width},tokens={tokens:.0f}",))
    made = plan(workspace(SQUARE), Operands("mine", "square", "adamw"), request)
    assert value(made, "run.lr") == pytest.approx(rate, rel=1e-3)
    assert value(made, "run.batch") == pytest.approx(batch, rel=1e-3)
    assert value(made, "run.lr") == pytest.approx(1.79 * width**-1.426 * tokens**0.307, rel=1e-12)
    assert value(made, "run.batch") == pytest.approx(0.58 * tokens**0.571, rel=1e-12)
    assert value(made, "run.steps") == pytest.approx(tokens / value(made, "run.batch"))


@pytest.mark.parametrize(
    ("network", "sizes", "outside"),
    [
        ("square", "N=20000,tokens=40000000000", []),
        ("square", "N=20000,tokens=4000000000", ["tokens/params.body"]),
        ("square", "N=80000,tokens=1400000000000", ["params.body"]),
        ("moe_gpt", "N=1024,L=8,M=64,K=8,Ne=256,tokens=2000000000", []),
        ("moe_gpt", "N=1024,L=8,M=64,K=8,Ne=256,tokens=60000000000", ["tokens/params.body"]),
        ("moe_gpt", "N=256,L=8,M=64,K=1,Ne=2048,tokens=2000000000", ["params.body.active"]),
    ],
)
def test_beyond_the_grid_is_a_warning_with_the_range(network: str, sizes: str, outside: list[str]) -> None:
    made = plan(workspace(f"{SQUARE} use std.moe"), Operands("mine", network, "adamw"), PlanRequest((sizes,)))
    warned = list(unmet(made, "valid"))
    assert len(warned) == len(outside)
    for name, diagnostic in zip(outside, warned, strict=True):
        assert f" {name}" in diagnostic.message
        assert diagnostic.message.count("<=") == 2
