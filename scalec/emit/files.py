"""Everything that `compile` writes. Input: a plan, a size, a stamp. Output: named texts.

Invariant: the same plan, size and stamp give the same bytes; of two sizes, the Python files differ in
the defaults of `Config` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from scalec.diagnostics import Reporter
from scalec.emit.manifest import manifest_text
from scalec.emit.model import model_text
from scalec.emit.names import Stamp, check_names
from scalec.emit.optim import optim_text
from scalec.emit.train import train_text
from scalec.plan.model import Plan


@dataclass(frozen=True)
class EmittedFile:
    name: str
    text: str


def emit(plan: Plan, sizes: Mapping[str, Fraction], stamp: Stamp) -> tuple[EmittedFile, ...]:
    """`model.py`, `optim.py`, `train.py` and `manifest.json` of a plan at one size of all dimensions.

    Raises ScalecError where a name or a size of the network has no place in emitted code.
    """
    reporter = Reporter()
    check_names(plan.program, reporter)
    reporter.stop_on_errors()
    files = (
        EmittedFile("model.py", model_text(plan, sizes, stamp, reporter)),
        EmittedFile("optim.py", optim_text(plan, stamp, reporter)),
        EmittedFile("train.py", train_text(plan, stamp, reporter)),
        EmittedFile("manifest.json", manifest_text(plan, sizes, stamp)),
    )
    reporter.stop_on_errors()
    return files
