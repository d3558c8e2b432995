"""Abstract training: forward, backward, optimizer step, until nothing changes.

Input: World. Output: one `Step` for each state of the weights. Step `t` means after `t` updates. The
updates so far only ever gain components, so the loop settles or it is unstable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from scalec.calculus.backward import Backward
from scalec.calculus.forward import Forward, same
from scalec.calculus.weights import Update
from scalec.calculus.world import World
from scalec.symbolic.dominance import Magnitude

STEPS = 8


@dataclass(frozen=True)
class Step:
    """The network after `index` updates: values and gradients of the next pass."""

    index: int
    forward: Forward
    backward: Backward

    @property
    def updates(self) -> Mapping[str, Update]:
        return self.forward.updates

    @property
    def growing(self) -> tuple[str, ...]:
        """Repeats whose stream, forward or backward, has no order: it still grew from copy to copy."""
        return tuple(dict.fromkeys((*self.forward.growing, *self.backward.growing)))

    @cached_property
    def gradient(self) -> Mapping[str, Magnitude | None]:
        """Order of each tensor's gradient entry at this step, None where there is no gradient."""
        weights = self.forward.world.weights
        return {tensor: weight.entry(self.backward.passes(tensor)) for tensor, weight in weights.items()}


@dataclass(frozen=True)
class Training:
    """All steps up to the limit. `settled`: the last step is the limit, nothing changes after it."""

    world: World
    steps: tuple[Step, ...]
    settled: bool

    @property
    def limit(self) -> Step:
        return self.steps[-1]


def train(world: World) -> Training:
    """Run to the limit, `STEPS` updates at most. Raises `Undecided`, `Unresolved`, `Unsupported`."""
    steps: list[Step] = []
    updates: Mapping[str, Update] = {tensor: Update() for tensor in world.weights}
    for index in range(STEPS + 1):
        step = _pass(world, index, updates)
        steps.append(step)
        if step.growing:
            break
        after = {
            tensor: weight.step(updates[tensor], step.backward.passes(tensor))
            for tensor, weight in world.weights.items()
        }
        if all(_same(updates[tensor], after[tensor]) for tensor in after):
            return Training(world, tuple(steps), settled=True)
        updates = after
    return Training(world, tuple(steps), settled=False)


def _pass(world: World, index: int, updates: Mapping[str, Update]) -> Step:
    forward = Forward(world, updates).run()
    return Step(index, forward, Backward(forward).run())


def _same(first: Update, second: Update) -> bool:
    return first.entry is second.entry and same(first.out, second.out) and same(first.inp, second.inp)
