"""The instrument against what can be worked out by hand: a linear model, one step, one cause."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from math import sqrt

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bench.truth import Case, experiment
from scalec.program.ops import Bias
from scalec.torch.emitted import load_emitted
from scalec.torch.measure import Batch, measure_terms, rms
from scalec.torch.probes import Run
from scalec.torch.terms import Term
from tests.planning import plan_of

pytestmark = pytest.mark.torch

SIZES = (8, 16)
MLP = Case("width", "small_mlp", "mup_width", "sgd", "N", SIZES, seeds=1)
LLAMA = Case("llama", "small_llama", "mup_width", "adam", "N", (64, 128), "L=2", seeds=1)
TIED = Case("llama", "tied_llama", "mup_tied", "adam", "N", (64, 128), "L=2", seeds=1)
GPT = Case("width", "tiny_gpt", "mup_width", "adam", "N", (32, 64), "L=2", seeds=1)
EXPERTS = Case("moe", "half_moe", "moe_mup_readout", "adam", "N", (16, 32), "M=4,Ne=8", seeds=1, regime="proportional")


def _run(case: Case) -> tuple[Run, Batch]:
    trial = experiment(case)
    sizes = trial.plan.sizes[0]
    return trial.emitted.build(sizes, seed=0, lr=2**-5), trial.data(sizes, 0)


def _weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def _hidden(weights: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    return F.relu(x @ weights["input.weight"].T)


def test_atomic_terms_of_a_hidden_map() -> None:
    run, batch = _run(MLP)
    before = _weights(run.model)
    terms = measure_terms(run, batch, steps=1)
    after = _weights(run.model)
    h0, h1 = _hidden(before, batch.x), _hidden(after, batch.x)
    w0, w1 = before["first.weight"], after["first.weight"]
    expected = {
        Term("first", "init", 0): h0 @ w0.T,
        Term("first", "effective", 1): h1 @ (w1 - w0).T,
        Term("first", "propagating", 1): (h1 - h0) @ w0.T,
    }
    for term, value in expected.items():
        assert terms[term] == pytest.approx(rms([value]), rel=1e-10), term


def test_gradients_and_logits() -> None:
    run, batch = _run(MLP)
    logits = run.model(batch.x)
    F.cross_entropy(logits, batch.y).backward()  # type: ignore[no-untyped-call]
    gradient = run.model.get_parameter("second.weight").grad
    assert gradient is not None
    expected = rms([gradient])
    terms = measure_terms(run, batch, steps=1)
    assert terms[Term("second", "gradient", 0)] == pytest.approx(expected, rel=1e-12)
    assert terms[Term("logits.out", "init", 0)] == pytest.approx(rms([logits.detach()]), rel=1e-12)
    assert terms[Term("logits.out", "delta", 1)] == pytest.approx(
        rms([run.model(batch.x).detach() - logits.detach()]), rel=1e-10
    )


def test_one_cause_leaves_the_other_weights_alone() -> None:
    run, batch = _run(MLP)
    before = _weights(run.model)
    terms = measure_terms(run, batch, steps=2, only=["first"])
    moved = {name for name, weight in _weights(run.model).items() if not torch.equal(weight, before[name])}
    assert moved == {"first.weight"}
    assert terms[Term("first", "propagating", 2)] == 0.0  # nothing before it moved: absent, not small
    assert terms[Term("input", "effective", 1)] == 0.0
    assert terms[Term("second", "propagating", 1)] > 0.0


def test_layers_of_a_block_are_one_term() -> None:
    run, batch = _run(GPT)
    heard: list[torch.Tensor] = []
    blocks = run.model.get_submodule("blocks")
    handles = [
        blocks.get_submodule(f"{i}.mlp.up").register_forward_hook(lambda m, a, out: heard.append(out.detach()))
        for i in range(2)
    ]
    run.model(batch.x)
    for handle in handles:
        handle.remove()
    terms = measure_terms(run, batch, steps=0)
    assert terms[Term("block.mlp.up", "init", 0)] == pytest.approx(rms(heard), rel=1e-12)


def test_a_table_that_is_sliced_is_read_by_its_rows() -> None:
    run, batch = _run(GPT)
    table = run.model.get_parameter("position.weight").detach().clone()
    terms = measure_terms(run, batch, steps=1)
    change = run.model.get_parameter("position.weight").detach() - table
    assert terms[Term("position.row", "init", 0)] == pytest.approx(rms([table]), rel=1e-12)
    assert terms[Term("position.row", "effective", 1)] == pytest.approx(rms([change]), rel=1e-12)


def test_dot_products_of_one_head() -> None:
    case = Case("width", "tiny_gpt", "mup_width", "adam", "N", (32,), "L=1", seeds=1)  # H = N/32 = 1
    run, batch = _run(case)
    q, k = _outputs(run.model, batch.x, "blocks.0.attention.q", "blocks.0.attention.k")
    terms = measure_terms(run, batch, steps=0)
    assert terms[Term("block.attention.dots", "init", 0)] == pytest.approx(rms([q @ k.mT]), rel=1e-12)


def _outputs(model: nn.Module, x: torch.Tensor, *names: str) -> Iterator[torch.Tensor]:
    for name in names:
        found: list[torch.Tensor] = []
        handle = model.get_submodule(name).register_forward_hook(lambda m, a, out, to=found: to.append(out.detach()))
        model(x)
        handle.remove()
        yield found[0]


def test_a_parameter_that_the_model_lacks_is_named() -> None:
    run, batch = _run(MLP)
    other = Run(run.program, run.sizes, nn.Linear(2, 2), run.optimizer)
    with pytest.raises(KeyError, match=r"input\.weight"):
        measure_terms(other, batch, steps=0)


def test_rms_is_over_all_entries() -> None:
    assert rms([torch.tensor([3.0, 4.0]), torch.tensor(0.0)]) == pytest.approx(5 / sqrt(3))


def test_multipliers_behind_a_module_count() -> None:
    run, batch = _run(GPT)
    plain = measure_terms(run, batch, steps=0)
    scaled = Run(run.program, run.sizes, run.model, run.optimizer, {"embed": 3.0})
    assert measure_terms(scaled, batch, steps=0)[Term("embed", "init", 0)] == pytest.approx(
        3 * plain[Term("embed", "init", 0)]
    )
    assert run.outer == {
        "embed": 1.0,
        "position.row": 1.0,
        "block.norm": 1.0,
        "block.norm2": 1.0,
        "norm": 1.0,
    }
    assert run.sizes["N"] == Fraction(32)


def test_a_bias_is_measured_apart_from_its_module() -> None:
    """It starts at zero, and of what it adds nothing propagates."""
    run, batch = _run(LLAMA)
    terms = measure_terms(run, batch, steps=1)
    for name in ("block.attention.q.bias", "block.norm2.bias", "readout.bias"):
        assert terms[Term(name, "init", 0)] == terms[Term(name, "propagating", 1)] == 0
        assert terms[Term(name, "effective", 1)] > 0


def test_a_tied_readout_is_measured_where_it_is_read() -> None:
    run, batch = _run(TIED)
    logits = run.model(batch.x).detach()
    assert measure_terms(run, batch, steps=0)[Term("readout", "init", 0)] == pytest.approx(rms([logits]), rel=1e-10)


def test_a_sum_over_experts_and_its_parts() -> None:
    """One row and one expert after the other, against what the model itself puts out."""
    run, batch = _run(EXPERTS)
    said: list[torch.Tensor] = []
    run.model.get_submodule("moe").register_forward_hook(lambda m, a, out: said.append(out.detach()))
    before, scale = _weights(run.model), run.inner["moe.combine"]
    terms = measure_terms(run, batch, steps=1)
    after = _weights(run.model)

    def passed(weights: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, list[list[int]]]:
        """What each expert's down projection reads, its gate, 0 where it is not met, and which are met."""
        x = F.gelu(batch.x @ weights["w_in.weight"].T)
        scores = x @ weights["moe.router.weight"].T
        met = [row.sort(descending=True).indices[:2].tolist() for row in scores]
        gates = torch.zeros_like(scores)
        for row, experts in enumerate(met):
            gates[row, experts] = scale * torch.sigmoid(scores[row, experts])
        return torch.stack([F.gelu(x @ up.T) for up in weights["moe.up"]], 1), gates, met

    def summed(gates: torch.Tensor, hidden: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
        return torch.stack([
            sum((gates[row, i] * (down[i] @ hidden[row, i]) for i in range(4)), torch.zeros(16))
            for row in range(len(gates))
        ])  # fmt: skip

    (h0, g0, _), (h1, g1, met) = passed(before), passed(after)
    d0, d1 = before["moe.down"], after["moe.down"]
    expected = {
        Term("moe.down at moe.out", "init", 0): summed(g0, h0, d0),
        Term("moe.down at moe.out", "effective", 1): summed(g1, h1, d1 - d0),
        Term("moe.down at moe.out", "propagating", 1): summed(g1, h1 - h0, d0),
        Term("moe.out", "gates", 1): summed(g1 - g0, h0, d0),
        Term("moe.out", "delta", 1): said[1] - said[0],
        Term("moe.down", "effective", 1): torch.stack(
            [(d1 - d0)[i] @ h1[row, i] for row, experts in enumerate(met) for i in experts]
        ),
    }
    assert torch.allclose(summed(g1, h1, d1) - summed(g0, h0, d0), said[1] - said[0])
    for term, value in expected.items():
        assert terms[term] == pytest.approx(rms([value]), rel=1e-9), term
    assert not torch.equal(g0 > 0, g1 > 0)  # some rows have changed their experts


def test_what_experts_send_back_and_its_parts() -> None:
    """One row and one expert after the other, against the gradient that the model itself sends back."""
    run, batch = _run(EXPERTS)
    came: list[torch.Tensor] = []  # of what the layer puts out, then of what it reads; of each step

    def listen(module: nn.Module, args: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
        for x in (out, args[0]):
            x.register_hook(came.append)  # type: ignore[no-untyped-call]

    run.model.get_submodule("moe").register_forward_hook(listen)
    before, scale = _weights(run.model), run.inner["moe.combine"]
    terms = measure_terms(run, batch, steps=1)
    after = _weights(run.model)

    def sent(weights: dict[str, torch.Tensor], d: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The gradient of what up, down and router put out, 0 for an expert that a row does not meet."""
        x = F.gelu(batch.x @ weights["w_in.weight"].T)
        scores = (x @ weights["moe.router.weight"].T).requires_grad_()
        a = torch.stack([x @ up.T for up in weights["moe.up"]], 1).requires_grad_()
        y = torch.stack([F.gelu(a[:, i]) @ down.T for i, down in enumerate(weights["moe.down"])], 1)
        said = torch.zeros((), dtype=torch.float64)
        for row, own in enumerate(scores):
            for i in own.sort(descending=True).indices[:2].tolist():
                said = said + (scale * torch.sigmoid(own[i]) * y[row, i]) @ d[row]
        return torch.autograd.grad(said, (a, y, scores))  # type: ignore[return-value]

    (a0, y0, s0), (a1, y1, s1) = sent(before, came[0]), sent(after, came[2])
    up0, up1, down0, down1 = (w[name] for name in ("moe.up", "moe.down") for w in (before, after))
    r0, r1 = (w["moe.router.weight"] for w in (before, after))
    met = s1 != 0
    expected = {
        Term("moe.up", "backward init", 0): torch.einsum("rif,ifn->rn", a0, up0),
        Term("moe.up", "backward effective", 1): torch.einsum("rif,ifn->rn", a1, up1 - up0),
        Term("moe.up", "backward propagating", 1): torch.einsum("rif,ifn->rn", a1 - a0, up0),
        Term("moe.down", "backward init", 0): torch.einsum("rin,inf->rif", y0, down0)[s0 != 0],
        Term("moe.down", "backward effective", 1): torch.einsum("rin,inf->rif", y1, down1 - down0)[met],
        Term("moe.down", "backward propagating", 1): torch.einsum("rin,inf->rif", y1 - y0, down0)[met],
        Term("moe.router", "backward init", 0): s0 @ r0,
        Term("moe.router", "backward effective", 1): s1 @ (r1 - r0),
        Term("moe.router", "backward propagating", 1): (s1 - s0) @ r0,
    }
    assert torch.allclose(torch.einsum("rif,ifn->rn", a1, up1) + s1 @ r1, came[3])
    for term, value in expected.items():
        assert rms([value]) > 0
        assert terms[term] == pytest.approx(rms([value]), rel=1e-9), term


def test_an_operation_that_no_measurement_knows_is_named() -> None:
    run, batch = _run(EXPERTS)
    program = run.program
    scaled = [replace(op, attribute="skip") if op.out == "moe.combine" else op for op in program.operations]
    strange = [Bias(op.out, op.x, "w_in") if op.out == "moe.activation" else op for op in scaled]
    other = replace(run, program=replace(program, operations=tuple(strange)))
    with pytest.raises(NotImplementedError, match=r"moe\.activation.*Bias"):
        measure_terms(other, batch, steps=0)


@pytest.mark.parametrize("options", ["router = softmax", "router = softmax_selected", "normalised, act = swiglu"])
def test_a_sum_over_experts_is_what_the_model_says(options: str) -> None:
    text = f"""
use std.moe
network chosen {{
  dims  N, M, K, Ne
  fixed D = 6, C = 4
  input(D)
  linear(N) as w_in
  moe(experts = M, active = K, width = Ne, balance = loss, {options})
  readout(C)
}}
rule mine extends moe_mup {{ base N = 8, M = 4, K = 2, Ne = 8  site moe.balance {{ scale = 1/4 }} }}
"""
    planned = plan_of(text, "N=8,M=4,K=2,Ne=8", rule="mine", network="chosen", optimizer="adam")
    run = load_emitted(planned).build(planned.sizes[0], seed=0)
    said: list[torch.Tensor] = []
    run.model.get_submodule("moe").register_forward_hook(lambda m, a, out: said.append(out.detach()))
    x = torch.randn(12, 6, dtype=torch.float64)
    terms = measure_terms(run, Batch(x, torch.arange(12) % 4), steps=0)
    assert terms[Term("moe.down at moe.out", "init", 0)] == pytest.approx(rms(said), rel=1e-10)
