"""The verifier accepts what lowering makes of every standard network, and nothing with a fault in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from scalec.program import ops
from scalec.program.program import Axis, Program, Use
from scalec.program.verify import violations
from scalec.resolve.load import load_standard, standard_files
from scalec.symbolic.formula import number
from tests.planning import assert_sound, program_of

STANDARD = load_standard().candidates("network", "<standard packs>")
TEXT = "network net { dims N, L  fixed V = 256, T = 64  embed(V, N) position(T) repeat L { residual { norm(layer) mlp(width = N) } } readout(V) }"  # noqa: E501


@pytest.fixture(scope="module")
def program() -> Program:
    return program_of(TEXT)


@pytest.mark.parametrize("name", sorted(STANDARD))
def test_standard_networks_are_sound(name: str) -> None:
    """Those that a pack declares for itself too: the text uses every pack."""
    assert_sound(program_of("\n".join(f"use {key}" for key in standard_files()), name))


def with_operations(program: Program, change: Callable[[ops.Operation], ops.Operation | None]) -> Program:
    """The program with each operation changed, in bodies too; None leaves it out."""

    def walk(operations: tuple[ops.Operation, ...]) -> tuple[ops.Operation, ...]:
        changed = (change(o) for o in operations)
        return tuple(replace(o, body=walk(o.body)) if isinstance(o, ops.Repeat) else o for o in changed if o)

    return replace(program, operations=walk(program.operations))


def with_tensor(program: Program, path: str, **changes: object) -> Program:
    tensors = (replace(t, **changes) if t.path == path else t for t in program.tensors)  # type: ignore[arg-type]
    return replace(program, tensors=tuple(tensors))


def renamed(program: Program, old: str, new: str) -> Program:
    return with_operations(program, lambda o: replace(o, out=new) if o.out == old else o)


def without(program: Program, out: str) -> Program:
    return with_operations(program, lambda o: None if o.out == out else o)


FAULTS: dict[str, tuple[Callable[[Program], Program], str]] = {
    "read before defined": (lambda p: renamed(p, "block.mlp.up", "elsewhere"), "reads `block.mlp.up`"),
    "defined twice": (lambda p: renamed(p, "position.row", "embed"), "value `embed` is defined twice"),
    "no output": (lambda p: without(p, "logits.out"), "the last operation, and no other, is the output"),
    "a tensor unused": (lambda p: without(p, "block.mlp.down"), "use 0 of tensor `block.mlp.down` occurs 0 times"),
    "a use too many": (
        lambda p: with_tensor(p, "readout", uses=p.tensor["readout"].uses * 2),
        "use 1 of tensor `readout` occurs 0 times",
    ),
    "a tensor missing": (
        lambda p: replace(p, tensors=p.tensors[1:]),
        "use 0 of tensor `embed` occurs 1 times",
    ),
    "a site unused": (lambda p: without(p, "block.mlp.act"), "`scale` of site `block.mlp.act` occurs 0 times"),
    "a site missing": (lambda p: replace(p, sites=p.sites[1:]), "of site `block.mlp.act` occurs 1 times"),
    "widths differ": (
        lambda p: with_tensor(p, "block.mlp.down", uses=(Use(number(3), number(3)),)),
        "the widths at `block.mlp.down` differ",
    ),
    "a norm of another length": (
        lambda p: with_operations(p, lambda o: replace(o, length=number(7)) if isinstance(o, ops.Normalise) else o),
        "the widths at `block.norm.normal` differ",
    ),
    "a repeat that changes the width": (
        lambda p: with_operations(p, lambda o: replace(o, carried_out="logits") if isinstance(o, ops.Repeat) else o),
        "`block` reads `logits`, which is not defined before it",
    ),
    "holes without axes": (
        lambda p: with_tensor(p, "block.mlp.up", axes=()),
        "parameter `blocks.{block}.mlp.up.weight` has the holes ['block'], its axes are none",
    ),
    "another axis": (
        lambda p: with_tensor(p, "readout", axes=(Axis("block", number(2)),)),
        "tensor `readout` is used along none, its axes are `block`",
    ),
    "one parameter twice": (
        lambda p: with_tensor(p, "embed", storage=p.tensor["position"].storage),
        "parameter `position.weight` occurs 2 times",
    ),
    "a layout of other sides": (
        lambda p: with_tensor(p, "embed", storage=replace(p.tensor["embed"].storage, layout="flat")),
        "tensor `embed` has 2 sides and layout `flat`",
    ),
    "a dimension missing": (lambda p: replace(p, dimensions=p.dimensions[1:]), "reads `size N`"),
    "a region missing": (lambda p: replace(p, regions=p.regions[1:]), "tensor `embed` is in 0 regions"),
    "a region twice": (lambda p: replace(p, regions=(*p.regions, p.regions[-1])), "tensor `readout` is in 2 regions"),
}


@pytest.mark.parametrize(("fault", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_noticed(program: Program, fault: Callable[[Program], Program], message: str) -> None:
    found = violations(fault(program))
    assert any(message in sentence for sentence in found), found


def test_the_assertion_can_fail(program: Program) -> None:
    with pytest.raises(AssertionError):
        assert_sound(without(program, "logits.out"))
