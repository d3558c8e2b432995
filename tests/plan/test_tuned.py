"""Files of tuned values: one `SELECTOR.ATTR = value` a line, below `--tune` and above the rule."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import scalec
from scalec.cli import app
from scalec.diagnostics import Reporter
from scalec.operands import Operands
from scalec.pipeline import PlanRequest, fingerprint, plan
from scalec.plan.model import Plan
from scalec.plan.tune import parse_tuned, read_tuned
from scalec.source import Source
from tests.planning import quantity, said, value, workspace

TEXT = "rule mine extends mup { base N = 64  run { lr = 1/8 }  tensor readout { lr *= 2 } }"
VALUES = """
# tuned at N = 64
lr = 2^-4          # the run's

  hidden.lr=0.5
"second.*".lr = 3
run.beta2 = 0.5
"""


def planned(values: str, *tune: str) -> Plan:
    request = PlanRequest(("N=64",), None, tune, None, Source("my.tuned", values))
    return plan(workspace(TEXT), Operands(None, "mlp", "adam"), request)


def test_values_of_a_file_are_where_attributes_start() -> None:
    made = planned(VALUES.replace('"second.*"', '"hidden2.*"'))
    lrs = [value(made, f"{path}.lr") for path in ("input", "hidden", "hidden2", "readout", "run")]
    assert lrs == [1 / 16, 0.5, 3, 1 / 8, 1 / 16]  # a factor of the rule stays
    assert value(made, "run.beta2") == 0.5


def test_an_option_overrides_the_file_also_where_the_file_is_more_specific() -> None:
    made = planned("hidden.lr = 1/2\ninput.lr = 1/2", "lr=2", "input.lr=3")
    assert [value(made, f"{path}.lr") for path in ("input", "hidden")] == [3, 2]


def test_who_said_a_value_is_the_line() -> None:
    (origin,) = quantity(planned("\nhidden.lr = 1/2\n"), "hidden.lr").anchored
    assert (origin.location, origin.text) == ("my.tuned:2", "hidden.lr = 1/2")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("hiden.lr = 1", "SC405 `hiden.lr = 1` matches nothing in network `mlp`"),
        ("hidden.lrr = 1", "SC405 cannot tune `hidden.lrr`"),
        ("hidden.lr", "SC405 `hidden.lr` is given no value"),
        ("lr=1, eps=2", "SC405 `lr=1, eps=2` is more than one value"),
        ("readout { lr = 1 }", "SC405 cannot tune `readout { lr`"),
        ("lr = 1\nlr = 2", "SC305 `lr = 2` is tuned twice"),
        ("lr = N", "SC301 `N` is no number"),
        ("lr = 1 = 2", "SC405 `lr = 1 = 2` is more than one value"),
        ("lr = ", "SC405 `lr` is given no value"),
        ("lr = 2^(10^10)", "SC102"),
        ("\n".join(f"a{i}.lr = 1" for i in range(1001)), "SC102 `my.tuned` has more than 1000 tuned values"),
    ],
)
def test_what_a_file_cannot_say(values: str, message: str) -> None:
    found = said(lambda: planned(values))
    assert found[0].startswith(message), found


def test_every_mistake_is_told_where_it_stands() -> None:
    reporter = Reporter()
    assert [t.attribute for t in parse_tuned(Source("my.tuned", "lr = x\n\neps = 1\nwdd = 1"), reporter)] == ["eps"]
    assert [(d.span.location, d.span.text) for d in reporter.diagnostics if d.span] == [
        ("my.tuned:1", "lr = x"), ("my.tuned:4", "wdd = 1")
    ]  # fmt: skip


def test_the_values_are_part_of_what_was_compiled() -> None:
    operands = Operands(None, "mlp", "adam")
    one, two = (PlanRequest(tuned=Source("my.tuned", text)) for text in ("lr = 1", "lr = 2"))
    assert fingerprint(workspace(TEXT), operands, one) != fingerprint(workspace(TEXT), operands, two)


@pytest.mark.parametrize("name", ["secret.txt", "link.tuned", "nowhere.tuned", "folder.tuned"])
def test_no_other_file_is_opened(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("lr = secret")
    (tmp_path / "link.tuned").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "folder.tuned").mkdir()
    (message,) = said(lambda: read_tuned(tmp_path / name))
    assert message[:5] in ("SC105", "SC203")
    assert "secret`" not in message


def test_commands_and_functions_read_them(tmp_path: Path) -> None:
    rule, values = tmp_path / "a.scale", tmp_path / "a.tuned"
    rule.write_text(f"use std.mup\n{TEXT}")
    values.write_text("lr = 1/2\n")
    on_mlp = ["--network", "mlp", "--optimizer", "adam", "--at", "N=64", "--tuned", str(values)]
    shown = CliRunner().invoke(app, ["plan", str(rule), *on_mlp, "--why", "run.lr"])
    assert "run.lr = 0.5" in shown.output
    assert CliRunner().invoke(app, ["compile", str(rule), *on_mlp, "-o", str(tmp_path / "out")]).exit_code == 0
    made = scalec.make_plan(scalec.load(rule), network="mlp", optimizer="adam", at=["N=64"], tuned=values)
    assert value(made, "run.lr") == 0.5
