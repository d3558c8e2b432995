"""Plans and emitted files for the emitter's tests, from a rule text and sizes. No command line."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from scalec.emit.files import EmittedFile, emit
from scalec.emit.names import Stamp
from scalec.operands import Operands
from scalec.pipeline import PlanRequest, plan
from scalec.plan.model import Plan
from scalec.resolve.load import load_text
from tests.emit.texts import EVERYTHING

MODULES = ("model", "optim", "train")
STAMP = Stamp("0.0.0", "0" * 64)


def plan_of(
    network: str, *at: Mapping[str, int], rule: str = "mine", optimizer: str = "adamw", text: str = EVERYTHING
) -> Plan:
    """The plan of a rule of `text` on one of its networks, at the given sizes."""
    request = PlanRequest(tuple(",".join(f"{n}={v}" for n, v in sizes.items()) for sizes in at))
    return plan(load_text(text, "test.scale"), Operands(rule, network, optimizer), request)


def files_of(plan: Plan) -> dict[str, str]:
    """The emitted texts of a plan at its first size, by file name."""
    files: tuple[EmittedFile, ...] = emit(plan, plan.sizes[0], STAMP)
    return {f.name: f.text for f in files}


@dataclass(frozen=True)
class Emitted:
    """The imported files of one plan."""

    plan: Plan
    folder: Path
    model: ModuleType
    optim: ModuleType
    train: ModuleType


def import_files(plan: Plan, folder: Path) -> Emitted:
    """Write the files of a plan and import them, as a script beside them would."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files_of(plan).items():
        (folder / name).write_text(text, encoding="utf-8")
    with _only(folder):
        return Emitted(plan, folder, *(importlib.import_module(name) for name in MODULES))


@contextmanager
def _only(folder: Path) -> Iterator[None]:
    """The names of emitted modules mean the files of this folder, and are forgotten afterwards."""
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in MODULES:
            sys.modules.pop(name, None)


@cache
def cached_plan(network: str, width: int, rule: str = "mine", optimizer: str = "adamw") -> Plan:
    return plan_of(network, {"N": width}, rule=rule, optimizer=optimizer)
