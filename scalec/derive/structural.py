"""What is done where scale alone does not reach a goal: the kinds of change, and what each takes from training.

Input: a Problem, what fails in it. Output: the changes that speak to that, and problems with changes made. A rule
that decides an attribute of structure (`init = normal`, `frozen = no`, an init of its own) forbids the change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product

from scalec.calculus.scaling import TensorScaling
from scalec.check.report import Finding
from scalec.derive.problem import DECAY, EPSILON, INIT, RATE, Change, Lever, Means, Problem

FORWARD = ("init", "propagating")  # terms that hang on the initial draw of a tensor
DRAW, ONE_DRAW, FROZEN_OR_NOT = "init", "init.shared", "frozen"


def _one_draw(rule: TensorScaling, axis: str) -> TensorScaling:
    return replace(rule, shared=(*rule.shared, axis))


def _as_before(rule: TensorScaling, axis: str) -> TensorScaling:
    return rule


def _zero(rule: TensorScaling, axis: str) -> TensorScaling:
    return replace(rule, init=None)


def _untrained(rule: TensorScaling, axis: str) -> TensorScaling:
    return replace(rule, lr=None)


AT_THE_SUM = Means(("is drawn for the sum", "are drawn for the sum"), "", INIT, _as_before)
SHARED = Means(
    ("starts equal in all copies", "start equal in all copies"), "the copies' differences at the start",
    ONE_DRAW, _one_draw, says="init.shared = {}",
)  # fmt: skip
ZERO = Means(
    ("starts at zero", "start at zero"), "the init and propagating terms", DRAW, _zero, (INIT,), "init = zero"
)  # fmt: skip
FROZEN = Means(
    ("is frozen", "are frozen"), "the learning", FROZEN_OR_NOT, _untrained, (RATE, EPSILON, DECAY), "frozen = yes"
)  # fmt: skip

# From the one that takes least from training to the one that takes most. The last is never chosen, only shown.
PREFERENCE = (AT_THE_SUM, SHARED, ZERO, FROZEN)


def cost(changes: Iterable[Change]) -> tuple[int, ...]:
    """How many changes of each kind, that which takes most first: the less the better."""
    kinds = [change.means for change in changes]
    return tuple(kinds.count(means) for means in reversed(PREFERENCE))


def changed(problem: Problem, changes: Iterable[Change]) -> Problem:
    """The problem with changes made: they are given then, and what they leave without use is not open."""
    tensors, closed, made = dict(problem.given.tensors), set[Lever](), tuple(changes)
    for change in made:
        for path in change.tensors:
            tensors[path] = change.means.apply(tensors[path], change.axis)
            closed |= {Lever(path, attribute) for attribute in change.means.closes}
    return replace(
        problem,
        given=replace(problem.given, tensors=tensors),
        open=problem.open - closed,
        changes=(*problem.changes, *made),
        at_the_sum=problem.at_the_sum.union(*(c.tensors for c in made if c.means is AT_THE_SUM)),
    )


def remedies(problem: Problem, failing: Iterable[Finding]) -> Iterator[tuple[Change, ...]]:
    """Ways to make one change for each tensor whose draw lets a term fail, as far as there is any for it.

    Where nothing fails forward, what fails is a gradient that comes back through a draw.
    """
    terms = [(f.tensor, f.term) for f in failing if f.tensor in problem.weighted]
    drawn = [tensor for tensor, term in terms if term in FORWARD]
    drawn = drawn or [tensor for tensor, term in terms if term.removeprefix("backward ") in FORWARD]
    found = {tensor: tuple(_for_the_draw(problem, tensor)) for tensor in dict.fromkeys(drawn)}
    for chosen in product(*(changes for changes in found.values() if changes)):
        distinct = tuple(dict.fromkeys(chosen))
        about = [path for change in distinct for path in change.tensors]
        if distinct and len(about) == len(set(about)):
            yield distinct


def _for_the_draw(problem: Problem, path: str) -> Iterator[Change]:
    if path in problem.summed and _left_open(problem, path, AT_THE_SUM):
        yield Change(AT_THE_SUM, (path,))
    for axis in problem.program.tensor[path].axes:
        copies = [t.path for t in problem.program.tensors if axis in t.axes and t.path in problem.weighted]
        alike = tuple(t for t in copies if _left_open(problem, t, SHARED))
        if axis.word and path in alike:
            yield Change(SHARED, alike, axis.name, axis.word)
    if _left_open(problem, path, ZERO):
        yield Change(ZERO, (path,))


def freezing(problem: Problem, path: str) -> Iterator[tuple[Change, ...]]:
    if _left_open(problem, path, FROZEN):
        yield (Change(FROZEN, (path,)),)


def _left_open(problem: Problem, path: str, means: Means) -> bool:
    """Whether the rule says nothing against it, and nothing was changed about the tensor yet."""
    closed = means.decides == INIT and Lever(path, INIT) not in problem.open
    decided = Lever(path, means.decides) in problem.decided
    return not (closed or decided or any(path in change.tensors for change in problem.changes))


def told(changes: Iterable[Change]) -> str:
    """`a` and `b` start at zero; `c` is drawn for the sum."""
    return "; ".join(f"{_names(paths)} {_verb(means, paths)}" for means, paths in _by_means(changes).items())


def lost(changes: Iterable[Change]) -> str:
    return "; ".join(f"{means.loses} of {_names(paths)}" for means, paths in _by_means(changes).items() if means.loses)


def _by_means(changes: Iterable[Change]) -> dict[Means, list[str]]:
    found: dict[Means, list[str]] = {}
    for change in changes:
        found.setdefault(change.means, []).extend(change.tensors)
    return found


def _verb(means: Means, paths: Sequence[str]) -> str:
    return means.told[len(paths) > 1]


def _names(paths: Sequence[str]) -> str:
    return " and ".join(f"`{path}`" for path in paths)
