"""Every diagnostic code is shown in a literate case, explained, and rendered as in `golden/diagnostics.txt`.

The rendered example of a code is the first finding of the first case that asserts it, so that the manual
and the snapshot are one. `UPDATE_GOLDEN=1 pytest tests/test_codes.py` writes it anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scalec.catalogue import CODES
from scalec.check.run import check
from scalec.cli import app
from scalec.diagnostics import Code, Reporter, ScalecError
from scalec.operands import Operands, prepare
from scalec.pipeline import diagnose_text, orders
from scalec.render import as_text
from scalec.resolve.load import load_standard
from scalec.source import Source
from scalec.symbolic.dominance import Cell
from scalec.symbolic.regime import resolve_regime
from scalec.syntax.parser import parse_regime
from tests import test_commands, test_tools
from tests.calculus.test_literate import findings
from tests.golden import golden
from tests.literate import ASSERTION, Case, Fence, cases

FOLDER = Path(__file__).parent / "cases"
PARAGRAPH = re.compile(r"^(error|warning|note)\[(SC\d+)\]: .*\n((?: |\d+ \||\.\.\.).*\n)*", re.MULTILINE)
FROM_PROGRAMS = {"SC515"}  # only a program of Python, not a rule file, can leave a tensor unsaid


def rendered(case: Case, room: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Code and text of each finding of a case, as the runner of its folder has them."""
    if room == "commands":
        for fence in case.fences:
            if fence.language == "scale":
                (folder / test_commands.name_of(fence)).write_text(fence.text, encoding="utf-8")
        lines = [line for f in case.fences if f.language == "console" for line in f.text.splitlines()]
        found = [d for line in lines if line.startswith("$") for d in test_commands.run(line, folder)]
    elif room == "tools":
        yield from printed(case, folder)
        return
    else:
        diagnose = findings if room == "calculus" else diagnose_text
        found = [d for fence in case.fences if fence.language == "scale" for d in diagnose(fence.text)]
    for d in found:
        yield d.code.id, as_text([d]).replace(f"{folder}/", "")


def printed(case: Case, folder: Path) -> Iterator[tuple[str, str]]:
    """The same from what the commands print."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for fence in case.fences:
            if fence.language == "scale":
                Path("case.scale").write_text(fence.text, encoding="utf-8")
            lines = fence.text.splitlines() if fence.language == "console" else []
            for output in [test_tools.run(line[2:]).output for line in lines if line.startswith("$ ")]:
                for match in PARAGRAPH.finditer(output):
                    yield match[2], match[0]


def unsaid() -> str:
    """A scaling that lacks a tensor, which no rule file can bring about."""
    workspace, reporter = load_standard(), Reporter()
    subject = prepare(workspace, Operands("mup", "mlp", "adam"))
    regime = resolve_regime(workspace, parse_regime(Source("--regime", "width")), reporter)
    assert regime is not None
    scaling = orders(subject, Cell(regime))
    less = replace(scaling, tensors={p: t for p, t in scaling.tensors.items() if p != "readout"})
    with pytest.raises(ScalecError) as raised:
        check(subject.program, less, regime, ())
    return as_text(d for d in raised.value.diagnostics if d.code.id == "SC515")


@cache
def asserted() -> tuple[tuple[str, Case, frozenset[str]], ...]:
    """Room, case and the codes that it asserts, for every literate case."""
    found = []
    for path in sorted(FOLDER.rglob("*.md")):
        room = path.parent.name if path.parent != FOLDER else ""
        for case in cases(path.read_text("utf-8")):
            codes = {code for fence in case.fences for _, code, _ in ASSERTION.findall(fence.text)}
            found.append((room, case, frozenset(codes)))
    return tuple(found)


def test_every_code_has_a_case() -> None:
    shown = {code for _, _, codes in asserted() for code in codes}
    assert [c.id for c in CODES if c.id not in shown | FROM_PROGRAMS] == []


@pytest.mark.slow
def test_every_code_is_rendered(tmp_path: Path) -> None:
    texts: dict[str, str] = {"SC515": unsaid()}
    for room, case, codes in asserted():
        if codes - texts.keys():
            for code, text in rendered(case, room, tmp_path):
                texts.setdefault(code, text)
    assert [c.id for c in CODES if c.id not in texts] == []
    golden("diagnostics.txt", "\n".join(texts[c.id] for c in CODES))


def assert_explained(code: Code) -> None:
    """`explain` prints the same by id and by name: whole sentences, for a line or more."""
    by_id, by_name = (CliRunner().invoke(app, ["explain", word]) for word in (code.id, code.name))
    assert by_id.exit_code == 0
    assert by_id.output == by_name.output
    head, empty, *doc = by_id.output.splitlines()
    assert head == f"{code.id} {code.name} ({code.severity})"
    assert empty == ""
    assert len(" ".join(doc)) > 25
    assert " ".join(doc)[0] in "`ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert doc[-1].endswith(".")


@pytest.mark.slow
@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
def test_every_code_is_explained(code: Code) -> None:
    assert_explained(code)


def test_codes_are_in_order_and_of_their_own() -> None:
    assert [c.id for c in CODES] == sorted({c.id for c in CODES})
    assert len({c.name for c in CODES}) == len(CODES)
    assert all(re.fullmatch(r"SC[1-6]\d\d", c.id) and re.fullmatch(r"[a-z]+(-[a-z]+)*", c.name) for c in CODES)


@pytest.mark.parametrize(
    "doc", ["", "too short.", "no sentence at all, whatever its length may be", "lower case first, however long it is."]
)
def test_a_code_without_an_explanation_is_noticed(doc: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code = Code("SC999", "made-up", "error", doc)
    monkeypatch.setattr("scalec.catalogue.CODES", (code,))
    with pytest.raises((AssertionError, IndexError, ValueError)):
        assert_explained(code)


def test_a_finding_is_rendered_with_its_place() -> None:
    case = Case("a case", (Fence("scale", "dim N\ndim N\n", 1),))
    assert [code for code, _ in rendered(case, "", Path())] == ["SC202"]
