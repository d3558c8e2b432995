"""A desideratum: a name, a code with its documentation, and the claims it makes of the evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from scalec.check.evidence import Claim, Evidence
from scalec.diagnostics import Code


@dataclass(frozen=True)
class Goal:
    """`in_limit`: it speaks of the limit, and cannot be judged where there is none."""

    name: str
    code: Code
    claims: Callable[[Evidence], Iterator[Claim]]
    in_limit: bool = False
    early: Code | None = None

    @property
    def doc(self) -> str:
        return self.code.doc
