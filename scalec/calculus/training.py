"""Abstract training: forward, backward, optimizer step, until nothing changes.

Input: World. Output: one `Step` for each state of the weights. Step `t` means after `t` updates. The
updates so far only ever gain components, so the loop settles or it is unstable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from scalec.calculus.around import Around
from scalec.calculus.backward import Backward
from scalec.calculus.components import Vector, changed, size
from scalec.calculus.forward import TERMS, Drift, Forward, UnsupportedError, same
from scalec.calculus.observables import Carrier
from scalec.calculus.weights import Pass, Update
from scalec.calculus.world import World
from scalec.symbolic.dominance import Magnitude
from scalec.symbolic.order import Order

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
    def drifting(self) -> Mapping[str, Drift]:
        """Repeats whose stream, forward or else backward, has no order."""
        return self.backward.drifting | self.forward.drifting

    @property
    def growing(self) -> tuple[str, ...]:
        return tuple(name for name, drift in self.drifting.items() if drift == "grows")

    @cached_property
    def carrier(self) -> Carrier:
        return Carrier(self.forward)

    def like(self, other: Step) -> bool:
        """Whether what a limit is a limit of has the same orders: atomic terms, changes of values, gradient entries,
        and where the updates show.
        """
        return self.sizes == other.sizes and self._shown == other._shown

    @cached_property
    def sizes(self) -> tuple[Order | None, ...]:
        """As exponents: orders that tie are the same size."""
        terms = (part.named(term) for part in self.forward.terms.values() for term in TERMS)
        changes = map(changed, self.forward.values.values())
        return (*self._exponents(terms), *self._exponents(changes), *map(_exponent, self.gradient.values()))

    @cached_property
    def _shown(self) -> tuple[Order | None, ...]:
        acts = (self.carrier.acts(op).values() for op in self.forward.world.structure.weighted)
        return tuple(self._exponents(chain.from_iterable(acts)))

    def _exponents(self, vectors: Iterable[Vector]) -> Iterator[Order | None]:
        return (_exponent(size(self.forward.world.cell, vector)) for vector in vectors)

    @cached_property
    def passes(self) -> Mapping[str, tuple[Pass, ...]]:
        """Of each tensor what went into its uses and what gradient came back."""
        return {tensor: self.backward.passes(tensor) for tensor in self.forward.world.weights}

    @cached_property
    def gradient(self) -> Mapping[str, Magnitude | None]:
        """Order of each tensor's gradient entry at this step, None where there is no gradient."""
        return {tensor: weight.entry(self.passes[tensor]) for tensor, weight in self.forward.world.weights.items()}

    @cached_property
    def balances(self) -> Mapping[str, Mapping[str, Magnitude | None]]:
        """Of each loss beside the network's, the entry that it adds to the gradients of the scores it balances."""
        weights, found = self.forward.world.weights, {}
        for loss, tensors in self.forward.world.structure.balances.items():
            backward = Backward(self.forward, loss=loss).run()
            found[loss] = {tensor: weights[tensor].entry(backward.passes(tensor)) for tensor in tensors}
        return found


@dataclass(frozen=True)
class Training:
    """All steps up to the limit, the first from which no order changes. `settled`: there is one, and it is proved.

    Where `unproved` names a repeat, only the forward pass before the first step is proved.
    """

    world: World
    steps: tuple[Step, ...]
    settled: bool

    @property
    def limit(self) -> Step:
        return self.steps[-1]

    @property
    def unproved(self) -> tuple[str, ...]:
        return tuple(self.steps[0].backward.unproved)


def train(world: World, beyond_proof: bool = False, brief: bool = False) -> Training:
    """Run to the limit, `STEPS` updates at most. Raises `UndecidedError`, `UnresolvedError`, `UnsupportedError`.

    `beyond_proof`: go on with formal orders where nothing of training is proved. `brief`: stop where a step changes no
    order, although weights still gain components: a guess at the limit, and no proof of one.
    """
    _require_samples(world)
    steps = _run(world, beyond_proof, brief)
    last = steps[-1]
    moving = bool(last.drifting) or (len(steps) > STEPS and not last.like(steps[-2]))
    limit = len(steps) - 1 if moving else _limit(steps)
    return Training(world, steps[: limit + 1], settled=not (moving or steps[0].backward.unproved))


def _require_samples(world: World) -> None:
    """A gradient is a mean over the samples that reach a copy, of which there has to be one."""
    batch = world.order(world.structure.batch, "batch", "count")
    idle = [t for t, w in world.weights.items() if w.share is not None and not world.one <= batch * w.share]
    if idle:
        raise UnsupportedError(
            idle, "reached by less than one sample of a step's batch",
            "let the batch grow too: `batch ~ s` in the regime",
        )  # fmt: skip


def _run(world: World, beyond_proof: bool, brief: bool) -> tuple[Step, ...]:
    """All steps; where a claim is broken, again from the first that relied on it."""
    around, steps = Around(world.structure), list[Step]()
    while (updates := _next(world, steps, beyond_proof, brief)) is not None:
        step = _pass(world, len(steps), updates, around)
        if broken := around.broken(step.index, step.forward.values, step.backward.gradients):
            del steps[around.refute(broken) :]
        else:
            steps.append(step)
    return tuple(steps)


def _next(world: World, steps: list[Step], beyond_proof: bool, brief: bool) -> Mapping[str, Update] | None:
    """The updates of one more step; None once weights gain nothing new, a stream has no order, or patience ends."""
    if not steps:
        return {tensor: Update() for tensor in world.weights}
    last = steps[-1]
    if brief and len(steps) > 1 and last.like(steps[-2]):
        return None
    if len(steps) > STEPS or last.drifting or (last.backward.unproved and not beyond_proof):
        return None
    before = steps[-2].passes if len(steps) > 1 else {}
    after = {
        t: last.updates[t] if last.passes[t] == before.get(t) else weight.step(last.updates[t], last.passes[t])
        for t, weight in world.weights.items()
    }  # the same passes once more add what they have added
    return None if all(_same(last.updates[tensor], after[tensor]) for tensor in after) else after


def _limit(steps: tuple[Step, ...]) -> int:
    """The first step that is like the last. While sizes stay, updates only gain components, and so does what shows of
    them: between two steps that are alike all are.
    """
    last, first = steps[-1], len(steps) - 1
    while first and steps[first - 1].sizes == last.sizes:
        first -= 1
    return next(step.index for step in steps[first:] if step.like(last))


def _exponent(magnitude: Magnitude | None) -> Order | None:
    return None if magnitude is None else magnitude.exponent


def _pass(world: World, index: int, updates: Mapping[str, Update], around: Around) -> Step:
    forward = Forward(world, updates, around=around, index=index).run()
    return Step(index, forward, Backward(forward).run())


def _same(first: Update, second: Update) -> bool:
    return first is second or (
        _exponent(first.entry) == _exponent(second.entry)
        and same(first.out, second.out)
        and same(first.inp, second.inp)
    )
