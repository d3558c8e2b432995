"""What a rule says, as the calculus reads it: one formula per attribute. Data only.

Input: whoever connects rule files. Every formula is over sizes, their ratios to the base, and run
symbols; constants count as order 1. Invariant: every tensor of the program has an entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from scalec.source import Span
from scalec.symbolic.formula import UNIT, Formula

Family = Literal["sgd", "entrywise", "spectral", "other"]
Decay = Literal["torch", "independent", "l2", "none"]


@dataclass(frozen=True)
class TensorScaling:
    """One tensor under a rule.

    `init`: standard deviation, or the constant of a gain; None where zero-initialised. `shared`: the
    axes over which the initial draw is shared. `scale`: forward multiplier, one for each use. `lr`:
    None where frozen. `eps`: Adam's, after the square root; None where the update has none. `wd`: in the
    convention `decay` names. `effect`: for a family of its own (`other`), the declared size of the output change for an
    input of order 1. `parts`: how many matrices an update is made of, each for itself. `spans`: the clause behind each
    attribute, for findings to point at.
    """

    init: Formula | None
    lr: Formula | None
    family: Family
    scale: tuple[Formula, ...] = (UNIT,)
    shared: tuple[str, ...] = ()
    eps: Formula | None = None
    wd: Formula | None = None
    decay: Decay = "none"
    effect: Formula | None = None
    parts: Formula = UNIT
    spans: Mapping[str, Span] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Scaling:
    """A rule on a program: tensors by path, site attributes by (path, attribute); what is not said is 1.

    `clip`: the norm that the gradient of all parameters together is cut to, None where it is not. `fits`: of what
    hangs on fitted laws, the place, the attribute and the law.
    """

    tensors: Mapping[str, TensorScaling]
    sites: Mapping[tuple[str, str], Formula]
    clip: Formula | None = None
    fits: tuple[tuple[str, str, str], ...] = ()

    def training_only(self, *tensors: str) -> Scaling:
        """The same rule with every other tensor frozen: what these cause."""
        others = {path: t if path in tensors else replace(t, lr=None) for path, t in self.tensors.items()}
        return replace(self, tensors=others)
