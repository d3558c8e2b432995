"""Names of goals: which desiderata they stand for, across files."""

from __future__ import annotations

from pathlib import Path

import pytest

from scalec.diagnostics import Reporter
from scalec.resolve.goals import resolve_goal
from scalec.resolve.load import load, load_text

KNOWN = ("stable", "moves", "complete")


def meaning(text: str, name: str, folder: Path | None = None) -> tuple[tuple[str, ...], list[str]]:
    """What a name stands for in a file, and the codes of what is wrong with it."""
    reporter = Reporter()
    found = resolve_goal(load_text(text, folder=folder), name, KNOWN, None, reporter)
    return found, [d.code.id for d in reporter.diagnostics]


def test_a_desideratum_is_itself() -> None:
    assert meaning("", "moves") == (("moves",), [])


def test_a_goal_is_its_parts_each_once_in_order() -> None:
    text = "goal a = moves + stable\ngoal b = a + complete + a"
    assert meaning(text, "b") == (("moves", "stable", "complete"), [])


@pytest.mark.parametrize(
    ("text", "name", "code"),
    [
        ("", "move", "SC511"),
        ("goal a = move", "a", "SC511"),
        ("goal a = b\ngoal b = a", "a", "SC204"),
        ("goal moves = stable", "moves", "SC202"),
    ],
)
def test_what_a_goal_cannot_be(text: str, name: str, code: str) -> None:
    assert meaning(text, name)[1] == [code]


def test_an_unknown_name_suggests() -> None:
    reporter = Reporter()
    resolve_goal(load_text("goal steady = stable"), "stedy", KNOWN, None, reporter)
    assert reporter.diagnostics[0].helps == ("did you mean `steady`?",)


def test_goals_are_seen_through_use(tmp_path: Path) -> None:
    (tmp_path / "goals.scale").write_text("goal inner = moves\ngoal outer = inner + stable\n")
    (tmp_path / "other.scale").write_text("goal inner = complete\n")
    main = tmp_path / "main.scale"
    main.write_text('use "./goals.scale"\nuse "./other.scale"\ngoal mine = outer\n')
    workspace, reporter = load(main), Reporter()
    assert resolve_goal(workspace, "mine", KNOWN, None, reporter) == ("moves", "stable")
    assert resolve_goal(workspace, "inner", KNOWN, None, reporter) == ()
    assert [d.code.id for d in reporter.diagnostics] == ["SC205"]
