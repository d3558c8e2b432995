"""Where a training comes to rest, and what is not worked out again on the way there."""

from __future__ import annotations

from itertools import pairwise

import pytest

from scalec.calculus import training
from scalec.calculus.training import Step
from scalec.calculus.world import World
from tests.calculus.test_pruning import CASES, TEXT, checked, drawn

Steps = tuple[Step, ...]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Of every training from now on, how many steps come after the limit, and how many updates were taken over."""
    seen, run = list[tuple[int, int]](), training._run

    def watched(world: World, beyond_proof: bool, brief: bool) -> Steps:
        steps = run(world, beyond_proof, brief)
        seen.append((after_the_limit(steps), taken_over(world, steps)))
        return steps

    monkeypatch.setattr(training, "_run", watched)
    return seen


def after_the_limit(steps: Steps) -> int:
    """All steps from the limit on are like the last; the one before it is not."""
    limit, last = training._limit(steps), steps[-1]
    assert all(step.like(last) for step in steps[limit:])
    assert limit == 0 or not steps[limit - 1].like(last)
    return len(steps) - 1 - limit


def taken_over(world: World, steps: Steps) -> int:
    """Passes that were the same a step before would add nothing to what they have added."""
    alike = [(step, t) for before, step in pairwise(steps) for t in world.weights if step.passes[t] == before.passes[t]]
    for step, tensor in alike:
        again = world.weights[tensor].step(step.updates[tensor], step.passes[tensor])
        assert training._same(step.updates[tensor], again)
    return len(alike)


@pytest.mark.slow
def test_of_networks(trained: list[tuple[int, int]]) -> None:
    for case in CASES:
        rule, network, optimizer, regime = map(str, case.values)
        checked(TEXT, rule, network, optimizer, regime)
    after, taken = zip(*trained, strict=True)
    assert any(count > 1 for count in after)
    assert any(taken)


def test_of_networks_at_random(trained: list[tuple[int, int]]) -> None:
    for seed in range(40):
        checked(drawn(seed), "drawn", "net", "adam", "grows")
    assert any(count > 1 for count, _ in trained)
