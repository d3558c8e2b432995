"""Literate cases with a command: rule files as fences, `$ scalec plan ...` or `$ scalec check ...` in a console fence.

A file whose first line is `# NAME.scale` is called so, another one `case.scale`. An assertion stands on
the line it is about: of a rule file, or of the command for what has no place in a file.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from scalec.check.goals import DEFAULT
from scalec.diagnostics import Diagnostic, ScalecError
from scalec.operands import Operands
from scalec.pipeline import PlanRequest, check_rule, plan
from scalec.plan.choices import tied
from scalec.plan.demands import unmet
from scalec.resolve.load import load
from tests.literate import ASSERTION, Case, Fence, cases

FOLDER = Path(__file__).parent / "cases"
CASES = [
    pytest.param(case, id=f"{path.stem}: {case.name}")
    for path in sorted((FOLDER / "commands").glob("*.md"))
    for case in cases(path.read_text("utf-8"))
]

Assertion = tuple[str, int, str, str, str]  # file, line, severity, code, part of the message


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser()
    options.add_argument("file")
    for name in ("--rule", "--network", "--optimizer", "--base", "--regime", "--goal"):
        options.add_argument(name)
    for name in ("--at", "--tune", "--allow-class"):
        options.add_argument(name, action="append", default=[])
    return options


def run(line: str, folder: Path) -> tuple[Diagnostic, ...]:
    """What the command finds wrong, in a folder with the files of the case."""
    _, program, command, *words = shlex.split(line, comments=True)
    assert program == "scalec"
    given = parser().parse_args(words)
    operands = Operands(given.rule, given.network, given.optimizer, tuple(given.allow_class))
    try:
        workspace = load(folder / given.file)
        match command:
            case "plan":
                made = plan(
                    workspace, operands, PlanRequest(tuple(given.at), given.base, tuple(given.tune), given.regime)
                )
                return (*unmet(made, "valid"), *tied(made))
            case "check":
                goals = given.goal.split(",") if given.goal else DEFAULT
                return check_rule(workspace, operands, given.regime, goals).diagnostics
            case _:
                raise AssertionError(f"no command of a case: {command}")
    except ScalecError as error:
        return error.diagnostics
    return ()


def name_of(fence: Fence) -> str:
    if fence.language == "console":
        return "the command"
    first = fence.text.partition("\n")[0]
    return first[2:] if first.startswith("# ") and first.endswith(".scale") else "case.scale"


def asserted(case: Case) -> Iterator[Assertion]:
    for fence in case.fences:
        for row, line in enumerate(fence.text.splitlines(), start=1):
            for severity, code, text in ASSERTION.findall(line):
                yield name_of(fence), 0 if fence.language == "console" else row, severity, code, text


def assert_case(case: Case, folder: Path) -> None:
    """The commands of the case find what it asserts, and nothing else."""
    files = {name_of(fence): fence.text for fence in case.fences if fence.language == "scale"}
    assert len(files) == sum(fence.language == "scale" for fence in case.fences), "two files of one name"
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    lines = [line for f in case.fences if f.language == "console" for line in f.text.splitlines() if line[:1] == "$"]
    assert lines, "a case without a command"
    unmet = list(asserted(case))
    for d in (d for line in lines for d in run(line, folder)):
        name = Path(d.span.source.name).name if d.span else ""
        file, row = (name, d.span.line) if d.span and name in files else ("the command", 0)
        met = next((a for a in unmet if a[:4] == (file, row, d.severity, d.code.id) and a[4] in d.message), None)
        assert met, f"not asserted: {file}:{row} {d.severity}: [{d.code.id}] {d.message}"
        unmet.remove(met)
    assert not unmet, f"not met: {unmet}"


@pytest.mark.parametrize("case", CASES)
def test_case(case: Case, tmp_path: Path) -> None:
    assert_case(case, tmp_path)


@pytest.mark.parametrize(
    "console",
    [
        "$ scalec plan case.scale",
        '$ scalec plan case.scale # error: [SC210] "which network?" # error: [SC303]',
        '$ scalec plan case.scale # error: [SC210] "which rule?"',
        "# error: [SC210]",
    ],
)
def test_a_case_that_is_not_met_fails(console: str, tmp_path: Path) -> None:
    case = Case(
        "a case", (Fence("scale", "use std.mup\nrule r extends sp for adam { }\n", 1), Fence("console", console, 5))
    )
    with pytest.raises(AssertionError, match=r"not asserted|not met|without a command"):
        assert_case(case, tmp_path)
