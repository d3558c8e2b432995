"""Everything that `compile` writes. Input: a plan, a size, a stamp. Output: named texts.

Invariant: the same plan, size and stamp give the same bytes; of two sizes, the Python files differ in
the defaults of `Config` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from scalec import catalogue as codes
from scalec.diagnostics import Reporter
from scalec.emit.manifest import manifest_text
from scalec.emit.model import model_text
from scalec.emit.names import Stamp, check_names
from scalec.emit.optim import optim_text
from scalec.emit.train import train_text
from scalec.plan.model import Plan
from scalec.symbolic.text import plain


@dataclass(frozen=True)
class EmittedFile:
    name: str
    text: str


def emit(plan: Plan, sizes: Mapping[str, Fraction], stamp: Stamp) -> tuple[EmittedFile, ...]:
    """`model.py`, `optim.py`, `train.py` and `manifest.json` of a plan at one size of all dimensions.

    Raises ScalecError where a name or a size of the network has no place in emitted code.
    """
    reporter = Reporter()
    check_names(plan.program, plan.optimizers, reporter)
    _check_defaults(plan, sizes, reporter)
    reporter.stop_on_errors()
    files = (
        EmittedFile("model.py", model_text(plan, sizes, stamp, reporter)),
        EmittedFile("optim.py", optim_text(plan, stamp)),
        EmittedFile("train.py", train_text(plan, stamp, reporter)),
        EmittedFile("manifest.json", manifest_text(plan, sizes, stamp)),
    )
    reporter.stop_on_errors()
    return files


def _check_defaults(plan: Plan, sizes: Mapping[str, Fraction], reporter: Reporter) -> None:
    """The emitted configuration computes every default as a whole number, also where no tensor has that side."""
    for dim in plan.program.dimensions:
        free = dim.name in plan.freed or dim.name in plan.program.shares
        if dim.default is not None and not free and sizes[dim.name].denominator != 1:
            said = f"the default of `{dim.name}` is `{plain(dim.default)}` = {sizes[dim.name]}, not a whole number"
            reporter.report(codes.NOT_WHOLE, said, helps=[f"name the size: `--at {dim.name}=...`"])
