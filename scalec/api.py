"""The public functions: what the commands do, for programs. Input: a path, names, sizes. Output: values.

Every mistake in a rule file or a request raises `ScalecError`, which carries the diagnostics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from scalec import deriving, pipeline
from scalec.check.goals import DEFAULT
from scalec.check.report import Report
from scalec.operands import Operands
from scalec.plan.model import Plan
from scalec.plan.tune import read_tuned
from scalec.resolve import load as files
from scalec.resolve.load import Workspace

__version__ = version("scalec")

Sizes = str | Mapping[str, int]  # "N=4096,L=48", or the same as a mapping


def load(path: Path | str) -> Workspace:
    """A rule file and everything that it uses."""
    return files.load(Path(path), str(path))


def make_plan(
    workspace: Workspace,
    *,
    rule: str | None = None,
    network: str | None = None,
    optimizer: str | None = None,
    at: Sequence[Sizes] = (),
    base: Sizes | None = None,
    tune: Sequence[str] = (),
    tuned: Path | str | None = None,
    regime: str | None = None,
) -> Plan:
    """What a rule says of each tensor of a network, at the sizes `at`.

    `rule` and `network` may carry arguments (`"completep(alpha = 1/2)"`); what is None the file decides.
    `tune` holds `"SELECTOR.ATTR=value"`, `tuned` is a file of such lines. `regime` is for clauses under one;
    without it, what moved tells.
    """
    request = _request(tuple(map(_text, at)), base, tune, tuned, regime)
    return pipeline.plan(workspace, Operands(rule, network, optimizer), request)


def check_rule(
    workspace: Workspace,
    *,
    regime: str,
    rule: str | None = None,
    network: str | None = None,
    optimizer: str | None = None,
    goals: Sequence[str] = DEFAULT,
    causes: Sequence[str] = (),
) -> Report:
    """Prove or refute desiderata of a rule as sizes grow, without running anything.

    `regime` is a name or several at once, `"width + depth"`. `causes` are tensors whose effects the report
    also lists alone (`Report.alone`), all others frozen.
    """
    return pipeline.check_rule(workspace, Operands(rule, network, optimizer), regime, goals, causes)


def derive_rule(
    workspace: Workspace,
    *,
    network: str,
    optimizer: str,
    regime: str,
    goals: Sequence[str] = DEFAULT,
    keep: str | None = None,
    name: str = "derived",
) -> str:
    """The text of a rule file that reaches the goals, found by the calculus.

    `keep` is a rule whose clauses stay as they are; what it leaves open is derived.
    """
    asked = deriving.Asked(Operands(keep, network, optimizer), regime, tuple(goals), name)
    return deriving.derive_rule(workspace, asked)


def compile_to(
    folder: Path | str,
    workspace: Workspace,
    *,
    rule: str | None = None,
    network: str | None = None,
    optimizer: str | None = None,
    at: Sizes = "",
    base: Sizes | None = None,
    tune: Sequence[str] = (),
    tuned: Path | str | None = None,
    regime: str | None = None,
) -> tuple[Path, ...]:
    """Write a standalone model, its optimizer, a training script and a manifest; gives their paths."""
    request = _request((_text(at),), base, tune, tuned, regime)
    emitted = pipeline.compile_files(workspace, Operands(rule, network, optimizer), request)
    Path(folder).mkdir(parents=True, exist_ok=True)
    paths = []
    for file in emitted:
        paths.append(Path(folder) / file.name)
        paths[-1].write_text(file.text, encoding="utf-8")
    return tuple(paths)


def _request(
    at: tuple[str, ...], base: Sizes | None, tune: Sequence[str], tuned: Path | str | None, regime: str | None
) -> pipeline.PlanRequest:
    values = None if tuned is None else read_tuned(Path(tuned))
    return pipeline.PlanRequest(at, None if base is None else _text(base), tuple(tune), regime, values)


def _text(sizes: Sizes) -> str:
    return sizes if isinstance(sizes, str) else ",".join(f"{name}={value}" for name, value in sizes.items())
