"""What `scalec check` says: files with their `check` blocks, or rules named on the command line.

Input: what to check, a format. Output: a text and whether everything holds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scalec import render
from scalec.check.document import ChecksDocument, DiagnosticModel, RunModel, as_json, check_document
from scalec.check.goals import DEFAULT
from scalec.check.report import Report
from scalec.diagnostics import Diagnostic, Reporter, ScalecError
from scalec.emit.report import report_text, side_by_side, why
from scalec.operands import Chooser, Operands
from scalec.pipeline import CheckRun, check_rule, examine, run_checks
from scalec.resolve.load import Workspace, load
from scalec.syntax.printer import check_subject


@dataclass(frozen=True)
class Said:
    """`holds`: no error was found and every verdict is a pass."""

    text: str
    holds: bool


def of_rules(
    asked: Sequence[tuple[Workspace, Operands]], regime: str, goals: str | None, form: str,
    *, why: str | None = None, steps: bool = False,
) -> Said:  # fmt: skip
    """One report a rule: its table, verdicts and findings; several also side by side. Raises ScalecError."""
    wanted = tuple(goals.split(",")) if goals else DEFAULT
    reports = [(_name(workspace, o), check_rule(workspace, o, regime, wanted)) for workspace, o in asked]
    return Said(_written(reports, form, why, steps), all(report.verdict == "pass" for _, report in reports))


def _name(workspace: Workspace, operands: Operands) -> str:
    """What the user calls the rule, or a file its only one."""
    reporter = Reporter()
    ref = Chooser(workspace, reporter).ref("rule", operands.rule, operands.said)
    reporter.stop_on_errors()
    assert ref is not None
    return operands.rule or ref.path


def _written(reports: Sequence[tuple[str, Report]], form: str, name: str | None, steps: bool) -> str:
    if name is not None:
        return "\n".join(why(report, name) for _, report in reports)
    if form == "json":
        texts = [as_json(report) for _, report in reports]
        return texts[0] if len(texts) == 1 else f"[{','.join(texts)}]\n"
    if form != "text":
        return render.FORMATS[form]([d for _, report in reports for d in report.diagnostics])
    parts = [side_by_side(reports)] if len(reports) > 1 else []
    for rule, report in reports:
        parts.append(f"{rule} on {report_text(report, steps=steps)}")
        parts.append(render.as_text(report.diagnostics))
    return "\n".join(part for part in parts if part)


def of_files(paths: Sequence[Path], form: str) -> Said:
    """Every `check` block of every file, failures that are expected included."""
    found: list[Diagnostic] = []
    runs: list[CheckRun] = []
    for path in paths:
        try:
            workspace = load(path)
            wrong = [d for d in examine(workspace) if d not in found]
            found += wrong
            if not any(d.severity == "error" for d in wrong):
                runs += run_checks(workspace)
        except ScalecError as error:
            found += [d for d in error.diagnostics if d not in found]
    everything = [*found, *(d for run in runs for d in run.diagnostics)]
    holds = not any(d.severity == "error" for d in everything)
    match form:
        case "text":
            ran = "".join((*map(_line, runs), _summary(found, runs)))
            return Said("\n".join(part for part in (render.as_text(found), ran) if part), holds)
        case "json":
            return Said(_document(found, runs), holds)
        case _:
            return Said(render.FORMATS[form](everything), holds)


def _line(run: CheckRun) -> str:
    word = "FAIL" if run.diagnostics else "ok"
    names = f"{run.declaration.rule.path} on {run.declaration.network.path} for {run.optimizer} under {run.regime}"
    line = f"{word:<4}  {run.declaration.span.location}: {names}\n"
    return line + (render.as_text(run.diagnostics) if run.diagnostics else "")


def _summary(found: Sequence[Diagnostic], runs: Sequence[CheckRun]) -> str:
    failed = sum(bool(run.diagnostics) for run in runs)
    if not runs:
        return "" if found else "names and kinds are right; there is no `check` block, so nothing is proved\n"
    return f"{len(runs)} check{'s'[: len(runs) > 1]}: {len(runs) - failed} hold, {failed} do not\n"


def _document(found: Sequence[Diagnostic], runs: Sequence[CheckRun]) -> str:
    checks = tuple(
        RunModel(
            check=check_subject(run.declaration),
            place=run.declaration.span.location,
            optimizer=run.optimizer,
            regime=run.regime,
            holds=not run.diagnostics,
            diagnostics=_entries(run.diagnostics),
            report=None if run.report is None else check_document(run.report),
        )
        for run in runs
    )
    return ChecksDocument(diagnostics=_entries(found), checks=checks).model_dump_json(indent=2, by_alias=True) + "\n"


def _entries(diagnostics: Sequence[Diagnostic]) -> tuple[DiagnosticModel, ...]:
    return tuple(map(DiagnosticModel.model_validate, json.loads(render.as_json(diagnostics))["diagnostics"]))
