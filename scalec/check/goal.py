"""A desideratum: a name, a code with its documentation, and the claims it makes of the evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from scalec.check.evidence import Claim, Evidence
from scalec.diagnostics import Code

Judged = Literal["start", "every step", "limit"]


@dataclass(frozen=True)
class Goal:
    """`judged`: the steps it speaks of. `early`: the code of a failure that is over by the limit."""

    name: str
    code: Code
    claims: Callable[[Evidence], Iterator[Claim]]
    judged: Judged
    early: Code | None = None

    @property
    def doc(self) -> str:
        return self.code.doc
