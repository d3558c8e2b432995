"""Copies that are chosen by scores which all start equal. Input: analyses of all cells. Output: warnings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scalec import catalogue as codes
from scalec.calculus.world import World, settled
from scalec.check.judge import Analysis
from scalec.diagnostics import Diagnostic
from scalec.program.ops import Linear
from scalec.symbolic.formula import Formula
from scalec.symbolic.text import plain


def tied(analyses: Iterable[Analysis]) -> Iterator[Diagnostic]:
    """Scores that start at zero, of copies that are not all met; `check` knows no sizes, so they may be."""
    seen: set[str] = set()
    for world in (a.training.world for a in analyses):
        for op in world.structure.operations:
            if isinstance(op, Linear) and op.rows and op.tensor not in seen and _starts_at_zero(world, op):
                seen.add(op.tensor)
                there = _settled(world, dict(world.structure.stored[op.tensor])[op.rows])
                if _settled(world, world.structure.axes[op.rows]) != there:
                    yield _warning(world, op.tensor, plain(there))


def _starts_at_zero(world: World, op: Linear) -> bool:
    return world.weights[op.tensor].uses[op.use].sigma is None


def _settled(world: World, size: Formula) -> Formula:
    return settled(size, world.program, world.cell.regime)


def _warning(world: World, tensor: str, there: str) -> Diagnostic:
    return Diagnostic(
        codes.TIED_CHOICE,
        f"`{tensor}` starts at zero: all scores tie where fewer than `{there}` are active",
        world.scaling.tensors[tensor].spans.get("init.std"),
        notes=("whoever breaks ties by number sends every sample to the same ones",),
        helps=("a random init of it, or all active",),
    )
