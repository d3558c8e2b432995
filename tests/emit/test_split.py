"""Muon head by head: a step of emitted code is one of torch.optim.Muon on the matrix of every head by itself.

Newton and Schulz' iteration runs in bfloat16 in both; with the iteration in float64 they agree to rounding.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from scalec.plan.model import Plan
from tests.emit.compiling import Emitted, files_of, import_files, plan_of

pytestmark = pytest.mark.torch
STEPS = 3
SIZES = {"N": 64, "L": 2, "H": 4, "Hkv": 2}  # on `llama`: two queries for each key
TEXT = """
use std.muon_mup
rule mine extends muon_mup {
  base N = 32, L = 2, H = 2, Hkv = 1
  for muon {
    tensor attention { split = heads }
    tensor attention.q, attention.k, attention.v { lr ~ sqrt(head_dim/fan_in);  wd ~ sqrt(fan_in/head_dim) }
  }
}
rule whole extends mine { for muon { tensor attention { split = no } } }
"""
HEADS = {"q": (0, 4), "k": (0, 2), "v": (0, 2), "o": (1, 4)}  # the side that heads lie along, and how many


@pytest.fixture(scope="module")
def emitted(tmp_path_factory: pytest.TempPathFactory) -> Emitted:
    return import_files(plan("mine"), tmp_path_factory.mktemp("split"))


def plan(rule: str) -> Plan:
    return plan_of("llama", SIZES, rule=rule, optimizer="muon+adamw", text=TEXT)


def heads(name: str, weight: Tensor) -> tuple[Tensor, ...]:
    """The matrices of the heads of a weight; the weight itself where it has none."""
    found = next((value for local, value in HEADS.items() if f".attention.{local}." in name), None)
    return torch.chunk(weight, found[1], dim=found[0]) if found else (weight,)


def gradients(model: nn.Module) -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(3)
    return [
        {n: torch.randn(p.shape, generator=generator, dtype=p.dtype) for n, p in model.named_parameters()}
        for _ in range(STEPS)
    ]


def reference(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, tuple[Tensor, ...]]:
    """Matrices of the heads after steps of torch.optim.Muon, each a parameter of its own, at the group's numbers."""
    owned = {id(p): group for group in optimizer.param_groups if "momentum" in group for p in group["params"]}
    pieces = {
        name: [nn.Parameter(piece.detach().clone()) for piece in heads(name, p)]
        for name, p in model.named_parameters()
        if id(p) in owned
    }
    groups = [
        {"params": pieces[name], **{key: owned[id(p)][key] for key in ("lr", "weight_decay", "momentum")}}
        for name, p in model.named_parameters()
        if id(p) in owned
    ]
    theirs = torch.optim.Muon(groups)
    for step in gradients(model):
        for name, parts in pieces.items():
            for part, gradient in zip(parts, heads(name, step[name]), strict=True):
                part.grad = gradient.clone()
        theirs.step()
    return {name: tuple(p.detach() for p in parts) for name, parts in pieces.items()}


def compare(emitted: Emitted) -> dict[str, float]:
    """By weight, how far apart the two are after some steps, against how far they went."""
    model = emitted.model.build_model(emitted.model.Config(), dtype=torch.float64)
    optimizer = emitted.optim.build_optimizer(model)
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    theirs = reference(model, optimizer)
    for step in gradients(model):
        for name, p in model.named_parameters():
            p.grad = step[name].clone()
        optimizer.step()
    ours = {name: heads(name, p.detach()) for name, p in model.named_parameters()}
    moved = {name: (model.get_parameter(name).detach() - start[name]).norm() for name in theirs}
    return {
        name: max(float((a - b).norm() / moved[name]) for a, b in zip(ours[name], parts, strict=True))
        for name, parts in theirs.items()
    }


def test_a_step_is_one_of_every_head(emitted: Emitted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tensor, "bfloat16", Tensor.double)
    apart = compare(emitted)
    assert len(apart) == 14
    assert max(apart.values()) < 1e-12, apart


def test_a_step_is_one_of_every_head_within_bfloat16(emitted: Emitted) -> None:
    assert max(compare(emitted).values()) < 0.02


def test_a_weight_taken_whole_is_noticed(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Without the split the same comparison fails, for the weights of attention alone."""
    apart = compare(import_files(plan("whole"), tmp_path_factory.mktemp("whole")))
    assert {name.split(".")[-3] for name, far in apart.items() if far > 0.1} == {"attention"}
    assert all(far < 0.02 for name, far in apart.items() if ".attention." not in name)


def test_the_groups_say_what_is_split(emitted: Emitted) -> None:
    """Keys and queries have different numbers of heads; what puts heads together has them along its columns."""
    model = emitted.model.build_model(emitted.model.Config(), device="meta")
    optimizer = emitted.optim.build_optimizer(model)
    names = {id(p): name for name, p in model.named_parameters()}
    said = {names[id(p)]: group.get("split") for group in optimizer.param_groups for p in group["params"]}
    assert {name.split(".")[-2]: split for name, split in said.items() if ".attention." in name} == HEADS
    assert not any(split for name, split in said.items() if ".attention." not in name)


def test_the_class_has_its_factor_of_one_head() -> None:
    """A rate of the class is the rule's over sqrt(max(1, rows/columns)) of what it is given."""
    planned = plan("mine")
    sizes = planned.sizes[0]

    def factor(path: str) -> float:
        t = planned.tensor[path]
        return planned.value(t.said["lr"], sizes) / planned.value(t.numbers["lr"], sizes)

    assert factor("block.attention.q") == 1
    assert factor("block.attention.o") == pytest.approx(2)  # 64 rows, 16 columns
    assert factor("block.mlp.up") == pytest.approx(2)


def test_where_nothing_is_split_there_is_no_word_of_it() -> None:
    assert "parts(" not in files_of(plan("whole"))["optim.py"]
    assert "self.parts(" in files_of(plan("mine"))["optim.py"]
