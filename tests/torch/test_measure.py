"""The instrument against what can be worked out by hand: a linear model, one step, one cause."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import sqrt

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bench.truth import Case, experiment
from scalec.torch.measure import Batch, measure_terms, rms
from scalec.torch.probes import Run
from scalec.torch.terms import Term

pytestmark = pytest.mark.torch

SIZES = (8, 16)
MLP = Case("width", "small_mlp", "mup_width", "sgd", "N", SIZES, seeds=1)
LLAMA = Case("llama", "small_llama", "mup_width", "adam", "N", (64, 128), "L=2", seeds=1)
TIED = Case("llama", "tied_llama", "mup_tied", "adam", "N", (64, 128), "L=2", seeds=1)
GPT = Case("width", "tiny_gpt", "mup_width", "adam", "N", (32, 64), "L=2", seeds=1)


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
    terms = measure_terms(run, batch, steps=2, only="first")
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
