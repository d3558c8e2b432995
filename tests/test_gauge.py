"""The gauge on real training: forms of one rule train the same model, in float64, for thirty steps.

A form differs from table 3 by theta on each tensor: its factor in the forward pass times theta, the stored
weight over theta, and learning rate, epsilon and decay moved with it. Emitted models of all forms start
from the same effective weights; what they compute must then agree at every step, and effective weights at
the end. Where theta is a power of two nothing is rounded differently, and they agree to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scalec.gauging import conversion
from scalec.operands import Operands
from scalec.plan.model import Plan
from scalec.plan.select import parameter_pattern
from scalec.resolve.load import load_text
from tests.emit.compiling import Emitted, import_files, plan_of
from tests.planning import value

pytestmark = pytest.mark.torch

STEPS = 30
TOLERANCE = 1e-10
FORMS = ("mup_table8", "mup_table9", "mfp")
OPTIMIZERS = ("sgd", "adam", "adamw")
PACKS = "".join(f"use std.{pack}\n" for pack in ("mup", *FORMS))

# Epsilon is of the size of gradients and decay is strong: what moves them wrongly must be seen.
RUN = {
    "sgd": "lr = 0.05;  wd = 0.05;  momentum = 0.9",
    "adam": "lr = 0.01;  eps = 1e-3;  wd = 0.05;  beta2 = 0.95",
    "adamw": "lr = 0.01;  eps = 1e-3;  wd = 1;  beta2 = 0.95",
}
TINY = """
network tiny {
  dims  N, L = 2, H = N/8, F = 4*N
  fixed V = 31, T = 12
  embed(V, N)
  position(T)
  repeat L {
    residual { norm(layer) attention(heads = H, causal) }
    residual { norm(layer) mlp(width = F, act = gelu) }
  }
  norm(layer)
  readout(V)
}
"""
BASE = 16
EXACT, ROUNDED = 64, 48  # ratios 4, whose root is exact too, and 3


@dataclass(frozen=True)
class Trained:
    """Losses of all steps, and effective weights after them: parameters times their factors."""

    losses: Tensor
    weights: dict[str, Tensor]


@pytest.mark.parametrize("width", [EXACT, ROUNDED])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("network", ["tiny", "mlp"])
def test_the_forms_train_identically(network: str, optimizer: str, width: int, tmp_path: Path) -> None:
    table3, *others = train_all(("mup", *FORMS), network, optimizer, width, tmp_path)
    assert table3.losses[-1] < table3.losses[0] - 0.01
    for other in others:
        if width == EXACT:
            assert torch.equal(other.losses, table3.losses)
        assert_same(other, table3)


# Factors of every kind that may move, on attention and experts; each of them moves something from the base.
RICH = """
use std.moe
network rich {
  dims  N, L, H = 2, M, K = 2, Ne = 8
  fixed V = 31, T = 12
  embed(V, N)
  position(T)
  repeat L {
    residual { norm(layer) attention(heads = H, causal) }
    residual { norm(layer) moe(experts = M, active = K, width = Ne, router = sigmoid, act = relu) }
  }
  norm(layer)
  readout(V)
}
rule factored extends mup {
  tensor matrix, output, router { scale *~ 1/sqrt(fan_in) }
  site residual         { scale ~ 1/sqrt(depth) }
  site attention.logits { scale ~ 1/head_dim }
  site moe.combine      { scale ~ 1/sqrt(experts) }
}
"""
GROWN, THREEFOLD = {"N": 64, "L": 4, "M": 16}, {"N": 48, "L": 3, "M": 12}  # of which the root is exact too, and not


@pytest.mark.parametrize("sizes", [GROWN, THREEFOLD])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_without_factors_attention_and_experts_train_identically(
    optimizer: str, sizes: dict[str, int], tmp_path: Path
) -> None:
    before, after = (rich(rule, optimizer, sizes, tmp_path) for rule in ("factored", "converted"))
    assert_no_factor_moves(after.plan)
    with pytest.raises(AssertionError):
        assert_no_factor_moves(before.plan)
    theirs, mine = trained_alike(before, after)
    assert theirs.losses[-1] < theirs.losses[0] - 0.01
    assert_same(mine, theirs)


def test_a_factor_that_found_the_wrong_home_is_seen(tmp_path: Path) -> None:
    """The rate of the queries without what attention's factor brought there."""
    before, after = (rich(rule, "adamw", GROWN, tmp_path) for rule in ("factored", "wrong"))
    theirs, mine = trained_alike(before, after)
    with pytest.raises(AssertionError):
        assert_same(mine, theirs)


def rich(rule: str, optimizer: str, sizes: dict[str, int], folder: Path) -> Emitted:
    text = f"use std.mup\n{RICH}"
    written = conversion((load_text(text, "case.scale"), Operands("factored", "rich", optimizer)), None, "converted")
    text += "".join(line for line in written.splitlines(keepends=True) if not line.startswith("use "))
    text += "rule wrong extends converted { tensor attention.q { lr *~ fan_out } }\n"
    text += f"rule mine extends {rule} {{ base N = {BASE}, L = 1, M = 4  run {{ {RUN[optimizer]} }} }}\n"
    return import_files(plan_of("rich", sizes, optimizer=optimizer, text=text), folder / rule)


def trained_alike(before: Emitted, after: Emitted) -> tuple[Trained, Trained]:
    """Both from the same draws, each at its own spread; the weights of the second in units of the first."""
    moved = {name: spread(after, name) / spread(before, name) for name, _ in start(before).named_parameters()}
    weights = effective(before, start(before))
    factor = factors(before.plan)
    theirs = train(before, weights)
    again = factors(after.plan)
    mine = train(after, {name: w / factor(name) * moved[name] * again(name) for name, w in weights.items()})
    return theirs, Trained(
        mine.losses, {name: w / again(name) / moved[name] * factor(name) for name, w in mine.weights.items()}
    )


def spread(emitted: Emitted, name: str) -> float:
    """The standard deviation at which a parameter starts; 1 where it is not drawn."""
    [found] = [t for t in emitted.plan.tensors if fnmatchcase(name, parameter_pattern(t.tensor))]
    number = found.numbers.get("init.std")
    return float(value(emitted.plan, f"{found.tensor.path}.init.std") or 1) if number else 1.0


def assert_no_factor_moves(plan: Plan) -> None:
    """Every factor of the forward pass is what it is at the base: 1, and attention's with heads half as long."""
    places = [f"{t.tensor.path}.scale" for t in plan.tensors] + [f"{s.site.path}.scale" for s in plan.sites]
    at_the_base = {p: (BASE / 2) ** -0.5 if p.endswith("attention.logits.scale") else 1.0 for p in places}
    assert {p: value(plan, p) for p in places} == pytest.approx(at_the_base)


# Optimizer, form, tensors, and the one thing that is left where it was, or moved by the wrong power.
WRONG = [
    ("sgd", "mup_table8", "output", "lr ~ 1/fan_in"),
    ("sgd", "mup_table8", "output", "wd ~ 1"),
    ("adam", "mup_table8", "output", "eps ~ 1"),
    ("adam", "mup_table8", "output", "wd ~ 1"),
    ("adam", "mup_table8", "output", "wd ~ 1/fan_in"),  # right for AdamW: there decay is not in the gradient
    ("adam", "mup_table9", "input", "eps ~ 1/fan_out"),
    ("adamw", "mup_table8", "output", "lr ~ 1/fan_in"),
    ("adamw", "mup_table8", "output", "eps ~ 1"),
    ("adamw", "mup_table8", "output", "wd ~ fan_in"),
    ("adamw", "mup_table9", "input", "eps ~ 1/fan_out"),
    ("adamw", "mfp", "matrix", "eps ~ 1/fan_out"),
]


@pytest.mark.parametrize(("optimizer", "form", "tensors", "said"), WRONG)
def test_a_wrong_move_is_seen(optimizer: str, form: str, tensors: str, said: str, tmp_path: Path) -> None:
    wrong = f"rule wrong extends {form} {{ tensor {tensors} {{ {said} }} }}"
    table3, other = train_all(("mup", "wrong"), "tiny", optimizer, EXACT, tmp_path, wrong)
    assert (other.losses - table3.losses).abs().max() > 1e-5
    with pytest.raises(AssertionError):
        assert_same(other, table3)


def test_clipping_by_the_global_norm_is_no_gauge_symmetry(tmp_path: Path) -> None:
    """What calculus and docs say is left out of the symmetry is really left out of it."""
    clipped = {form: compiled(form, "tiny", "sgd", EXACT, tmp_path / form) for form in ("mup", "mup_table8")}
    norms = []
    weights = effective(clipped["mup"], start(clipped["mup"]))
    for emitted in clipped.values():
        model = start(emitted)
        set_effective(emitted, model, weights)
        loss(model, torch.Generator().manual_seed(1)).backward()
        norms.append(nn.utils.clip_grad_norm_(list(model.parameters()), 1.0).item())
    assert norms[1] < norms[0] * 0.9


def train_all(
    rules: tuple[str, ...], network: str, optimizer: str, width: int, folder: Path, more: str = ""
) -> list[Trained]:
    """Every rule from the first one's effective weights, on the same batches."""
    every = [compiled(rule, network, optimizer, width, folder / rule, more) for rule in rules]
    weights = effective(every[0], start(every[0]))
    return [train(emitted, weights) for emitted in every]


def compiled(rule: str, network: str, optimizer: str, width: int, folder: Path, more: str = "") -> Emitted:
    text = f"{PACKS}{TINY}{more}\nrule mine extends {rule} {{ base N = {BASE}  run {{ {RUN[optimizer]} }} }}\n"
    return import_files(plan_of(network, {"N": width}, optimizer=optimizer, text=text), folder)


def start(emitted: Emitted) -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = emitted.model.build_model(emitted.model.Config(), dtype=torch.float64)
    return model


def train(emitted: Emitted, weights: dict[str, Tensor]) -> Trained:
    model = start(emitted)
    set_effective(emitted, model, weights)
    optimizer = emitted.optim.build_optimizer(model)
    generator = torch.Generator().manual_seed(1)
    losses = []
    for _ in range(STEPS):
        step = loss(model, generator)
        optimizer.zero_grad()
        step.backward()
        optimizer.step()
        losses.append(step.detach())
    return Trained(torch.stack(losses), effective(emitted, model))


def loss(model: nn.Module, generator: torch.Generator) -> Tensor:
    """Of four sequences of tokens, or of eight points with classes."""
    if hasattr(model, "position"):
        tokens = torch.randint(31, (4, 13), generator=generator)
        return F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), (tokens[:, :-1] * 3 % 31).flatten())
    x = torch.randn(8, 64, generator=generator, dtype=torch.float64)
    return F.cross_entropy(model(x), x[:, :10].argmax(-1))


def factors(plan: Plan) -> Callable[[str], float]:
    """The factor that the forward pass puts on a parameter."""
    known = {parameter_pattern(t.tensor): value(plan, f"{t.tensor.path}.scale") for t in plan.tensors}

    def factor(name: str) -> float:
        [found] = [x for pattern, x in known.items() if fnmatchcase(name, pattern)]
        return found

    return factor


def effective(emitted: Emitted, model: nn.Module) -> dict[str, Tensor]:
    factor = factors(emitted.plan)
    return {name: factor(name) * parameter.detach() for name, parameter in model.named_parameters()}


def set_effective(emitted: Emitted, model: nn.Module, weights: dict[str, Tensor]) -> None:
    factor = factors(emitted.plan)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weights[name] / factor(name))


def assert_same(mine: Trained, theirs: Trained) -> None:
    """Losses and effective weights within `TOLERANCE`, relative to the largest of each."""
    far = {}
    for name, ours in {**mine.weights, "losses": mine.losses}.items():
        other = {**theirs.weights, "losses": theirs.losses}[name]
        difference = ((ours - other).abs().max() / other.abs().max()).item()
        if not difference <= TOLERANCE:
            far[name] = difference
    assert far == {}
