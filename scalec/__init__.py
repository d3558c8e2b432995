"""Scaling rules for PyTorch: written once, checked, planned, compiled.

`import scalec` is free: a name is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scalec.api import __version__, check_rule, compile_to, derive_rule, load, make_plan
    from scalec.check.report import Report
    from scalec.diagnostics import Diagnostic, ScalecError
    from scalec.plan.model import Plan

_HOMES = {
    "load": "scalec.api",
    "make_plan": "scalec.api",
    "check_rule": "scalec.api",
    "compile_to": "scalec.api",
    "derive_rule": "scalec.api",
    "Plan": "scalec.plan.model",
    "Report": "scalec.check.report",
    "Diagnostic": "scalec.diagnostics",
    "ScalecError": "scalec.diagnostics",
    "__version__": "scalec.api",
}

__all__ = [
    "Diagnostic",
    "Plan",
    "Report",
    "ScalecError",
    "__version__",
    "check_rule",
    "compile_to",
    "derive_rule",
    "load",
    "make_plan",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
