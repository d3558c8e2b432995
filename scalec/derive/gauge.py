"""The gauge: what may be moved between a rule's factors in the forward pass and its inits, rates, epsilons, decay.

Input: forms of rules on a program. Output: the same rules in another gauge, and where two still differ. A weight
with multiplier times theta and init over theta trains as before if its hyperparameters move with it (calculus.md,
section 7). Invariant: every function here maps a form to one that trains identically.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

from scalec.calculus.scaling import Decay, Family
from scalec.calculus.structure import Structure
from scalec.derive.problem import DECAY, EPSILON, FACTOR, INIT, RATE
from scalec.program.ops import Add, Bias, Dot, Gain, Linear, Mix, Multiply, Operation, Reshape, Scale
from scalec.program.program import Program
from scalec.symbolic.formula import UNIT, ZERO, Formula, divide, mul, power


@dataclass(frozen=True)
class TensorForm:
    """The numbers of one tensor: `scale`, inits, `lr`, `eps`, `wd`, and what no gauge moves."""

    numbers: Mapping[str, Formula]
    family: Family
    decay: Decay
    words: tuple[tuple[str, str], ...] = ()

    @property
    def scale(self) -> Formula:
        return self.numbers.get(FACTOR, UNIT)

    def times(self, theta: Formula) -> TensorForm:
        """The forward multiplier times theta, and everything else so that training is the same."""
        moved = {name: mul(value, power(theta, self._power(name))) for name, value in self.numbers.items()}
        return replace(self, numbers=moved)

    def _power(self, name: str) -> Fraction:
        return powers(self.family, self.decay).get(name, Fraction(0))


def powers(family: Family, decay: Decay) -> Mapping[str, Fraction]:
    """How an attribute moves when the multiplier is multiplied by theta: its power of theta."""
    rate = Fraction(-2 if family == "sgd" else -1)
    shrink = {"l2": Fraction(2), "torch": -rate}.get(decay, Fraction(0))
    inits = dict.fromkeys((INIT, "init.mean"), Fraction(-1))
    return {FACTOR: Fraction(1), RATE: rate, EPSILON: Fraction(1), DECAY: shrink} | inits


@dataclass(frozen=True)
class Form:
    """A rule on a program: tensors by path, factors of sites by path and attribute."""

    tensors: Mapping[str, TensorForm]
    sites: Mapping[tuple[str, str], Formula]


@dataclass(frozen=True)
class Gauges:
    """What can be moved where on a program."""

    program: Program

    @cached_property
    def structure(self) -> Structure:
        return Structure(self.program)

    @cached_property
    def homes(self) -> Mapping[str, tuple[str, ...]]:
        """The tensors that can take the factor of a site, each of them all of it."""
        return {op.site: self._home(op) for op in self._factors() if self._home(op)}

    @cached_property
    def fixed(self) -> Mapping[tuple[str, str], str]:
        """Factors that stay where they are, by tensor or site and attribute, with the reason."""
        kept = {(op.site, FACTOR): self._why(op) for op in self._factors() if op.site not in self.homes}
        skips = {(op.site, op.attribute): "it scales the stream, which other branches read" for op in self._scales()
                 if op.attribute != FACTOR}  # fmt: skip
        gains = {op.tensor for op in self.structure.operations if isinstance(op, Gain)}
        tensors = {
            (t.path, use.scale): "a gain starts at one" if t.path in gains else "each of its uses has one of its own"
            for t in self.program.tensors if not self.free(t.path) for use in t.uses
        }  # fmt: skip
        return {**kept, **skips, **tensors}

    def free(self, tensor: str) -> bool:
        """Whether a tensor can be rescaled: it is used at one place, and no gain that starts at one."""
        uses = [op for op in self.structure.operations if isinstance(op, Linear | Bias | Gain) and op.tensor == tensor]
        return len(uses) == 1 and not isinstance(uses[0], Gain)

    def _scales(self) -> Iterator[Scale]:
        return (op for op in self.structure.operations if isinstance(op, Scale))

    def _factors(self) -> Iterator[Scale]:
        return (op for op in self._scales() if op.attribute == FACTOR)

    def _home(self, op: Scale) -> tuple[str, ...]:
        """The weights behind it, or those of what it is multiplied with, or all that read it."""
        return self._behind(op.x) or self._beside(op.out) or self._ahead(op.out)

    def _why(self, op: Scale) -> str:
        read = sorted({type(reader).__name__.lower() for reader in self._read(op.out)})
        made = type(self.structure.made_by[op.x]).__name__.lower()
        return f"no weights can take it between what comes in ({made}) and what reads it ({', '.join(read)})"

    def _read(self, value: str) -> tuple[Operation, ...]:
        return self.structure.readers.get(value, ())

    def _behind(self, value: str) -> tuple[str, ...]:
        """Weights that a value is linear in, all together, where nothing else reads what lies between; () if none."""
        made = self.structure.made_by.get(value)
        if len(self._read(value)) != 1:
            return ()
        match made:
            case Linear(tensor=tensor):
                return (tensor,) if self.free(tensor) else ()
            case Bias(x=x, tensor=tensor):
                return (*behind, tensor) if (behind := self._behind(x)) and self.free(tensor) else ()
            case Add(xs=xs):
                parts = [self._behind(x) for x in xs]
                return tuple(dict.fromkeys(t for part in parts for t in part)) if all(parts) else ()
            case Multiply(x=x, y=y) | Dot(x=x, y=y) | Mix(x=x, weights=y):
                return self._behind(x) or self._behind(y)
            case Reshape(x=x) | Scale(x=x) | Gain(x=x):
                return self._behind(x)
            case _:
                return ()

    def _beside(self, value: str) -> tuple[str, ...]:
        """Weights of what a value is multiplied with, where it is read by nothing but that product."""
        match self._read(value):
            case (Multiply(x=x, y=y) | Dot(x=x, y=y) | Mix(x=x, weights=y),):
                return self._behind(y if x == value else x)
            case _:
                return ()

    def _ahead(self, value: str) -> tuple[str, ...]:
        """All weights that a value meets next, where it meets nothing else."""
        found = [tensors for reader in self._read(value) for tensors in self._met(reader)]
        return tuple(dict.fromkeys(t for tensors in found for t in tensors)) if found and all(found) else ()

    def _met(self, op: Operation) -> Iterator[tuple[str, ...]]:
        match op:
            case Linear(tensor=tensor):
                yield (tensor,) if self.free(tensor) else ()
            case Reshape(out=out) | Scale(out=out):
                yield self._ahead(out)
            case _:
                yield ()

    # ---- forms -------------------------------------------------------------------------------
    def multiplier(self, form: Form, tensor: str) -> Formula:
        """All factors in the forward pass that a tensor's own could be instead."""
        sites = (form.sites.get((site, FACTOR), UNIT) for site, homes in self.homes.items() if tensor in homes)
        return mul(form.tensors[tensor].scale if self.free(tensor) else UNIT, *sites)

    def like(self, form: Form, other: Form | None = None) -> Form:
        """The same rule with the factors of another one, as far as they can be moved; of none, with none."""
        tensors = {}
        for path, tensor in form.tensors.items():
            theirs = UNIT if other is None else self.multiplier(other, path)
            moved = tensor.times(divide(theirs, self.multiplier(form, path)))
            own = UNIT if other is None else other.tensors[path].scale
            kept = own if self.free(path) else tensor.scale
            tensors[path] = replace(moved, numbers={**moved.numbers, FACTOR: kept})
        sites = {
            (site, name): factor if site not in self.homes or name != FACTOR else
            (UNIT if other is None else other.sites.get((site, name), UNIT))
            for (site, name), factor in form.sites.items()
        }  # fmt: skip
        return Form(tensors, sites)


def moves(form: Form, wanted: Form) -> Iterator[tuple[str, str, Formula]]:
    """What the one's numbers are multiplied by to give the other's: path, attribute, factor; where it is not 1."""
    for path, tensor in form.tensors.items():
        numbers, theirs = tensor.numbers, wanted.tensors[path].numbers
        for name in powers(tensor.family, tensor.decay):
            if name in numbers and numbers[name] != ZERO and numbers[name] != theirs[name]:
                yield path, name, divide(theirs[name], numbers[name])
    for (path, name), factor in form.sites.items():
        if factor != wanted.sites[path, name]:
            yield path, name, divide(wanted.sites[path, name], factor)
