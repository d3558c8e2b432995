"""What follows from inits, rates and factors at rest: epsilon and decay.

Input: a Problem, the world that came to rest, gradient entries. Output: orders of levers that nothing else hangs on.
"""

from __future__ import annotations

from collections.abc import Mapping

from scalec.calculus.training import Training
from scalec.calculus.weights import Weight
from scalec.calculus.world import World
from scalec.derive.problem import DECAY, EPSILON, Lever, Problem
from scalec.symbolic.dominance import Magnitude

FOLLOWS = {EPSILON: "gradient", DECAY: "decay"}


def following(problem: Problem, world: World, entries: Mapping[str, Magnitude | None]) -> dict[Lever, Magnitude]:
    """Epsilon is the gradient entry; decay is what leaves a step the same part of a weight at every size."""
    found: dict[Lever, Magnitude] = {}
    for path, weight in world.weights.items():
        entry = entries[path]
        if Lever(path, EPSILON) in problem.open:
            found[Lever(path, EPSILON)] = entry or world.one
        if Lever(path, DECAY) in problem.open and weight.lr is not None:
            found[Lever(path, DECAY)] = _decay(problem, weight, weight.lr, entry)
    return found


def smallest(training: Training) -> dict[str, Magnitude | None]:
    """Of each tensor the smallest gradient entry of all steps that have one."""
    return {path: _smallest(training, path) for path in training.world.weights}


def _smallest(training: Training, path: str) -> Magnitude | None:
    entries = (step.gradient[path] for step in training.steps)
    largest = training.world.cell.largest(entry.inverse for entry in entries if entry)
    return largest and largest.inverse


def _decay(problem: Problem, weight: Weight, lr: Magnitude, entry: Magnitude | None) -> Magnitude:
    """Per step `lr * wd`, or `wd` where it is independent; in a normalised gradient, the share of the entry."""
    rule, one = problem.given.tensors[weight.tensor], lr.cell.one
    match rule.decay:
        case "independent" | "none":
            return one
        case "l2" if rule.family != "sgd":
            sigma = weight.uses[0].sigma
            return entry / sigma * weight.uses[0].scale if entry and sigma else one
        case _:
            return lr.inverse
