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
from scalec.program.ops import Bias, Dot, Gain, Linear, Mix, Operation, Reshape, Scale
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
        """The tensors that can take the factor of a site: the weight behind it, else all those that read it."""
        return {op.site: self._home(op) for op in self._factors() if self._home(op)}

    @cached_property
    def fixed(self) -> Mapping[str, str]:
        """Tensors and sites whose factor stays where it is, with the reason."""
        sites = {op.site: "no weight beside it takes its factor alone" for op in self._factors()}
        tied = {t.path: "it starts at one, or is used twice" for t in self.program.tensors if not self.free(t.path)}
        return {path: why for path, why in {**sites, **tied}.items() if path not in self.homes}

    def free(self, tensor: str) -> bool:
        """Whether a tensor can be rescaled: it is used at one place, and no gain that starts at one."""
        uses = [op for op in self.structure.operations if isinstance(op, Linear | Bias | Gain) and op.tensor == tensor]
        return len(uses) == 1 and not isinstance(uses[0], Gain)

    def _factors(self) -> Iterator[Scale]:
        return (op for op in self.structure.operations if isinstance(op, Scale) and op.attribute == FACTOR)

    def _home(self, op: Scale) -> tuple[str, ...]:
        behind = self._behind(op.x)
        if behind:
            return (behind,)
        readers = [linear for reader in self._read(op.out) for linear in self._ahead(reader)]
        tensors = tuple(dict.fromkeys(r for r in readers if r))
        return tensors if tensors and all(readers) and all(map(self.free, tensors)) else ()

    def _read(self, value: str) -> tuple[Operation, ...]:
        return self.structure.readers.get(value, ())

    def _behind(self, value: str) -> str:
        """The weight that a value is linear in, where nothing else reads what lies between; "" if there is none."""
        made = self.structure.made_by.get(value)
        if len(self._read(value)) != 1:
            return ""
        match made:
            case Linear(tensor=tensor):
                return tensor if self.free(tensor) else ""
            case Reshape(x=x) | Scale(x=x) | Mix(x=x) | Dot(x=x):
                return self._behind(x)
            case _:
                return ""

    def _ahead(self, op: Operation) -> Iterator[str]:
        match op:
            case Linear(tensor=tensor):
                yield tensor
            case Reshape(out=out):
                for reader in self._read(out):
                    yield from self._ahead(reader)
            case _:
                yield ""

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
