"""`scalec check` as a user meets it: tables, derivations, several rules, five formats, exit codes, cost."""

from __future__ import annotations

import json
import re
import sys
from fractions import Fraction
from functools import reduce
from operator import mul
from pathlib import Path
from types import FrameType

import pytest
from typer.testing import CliRunner

from scalec.check.document import CheckDocument, ChecksDocument
from scalec.cli import app
from scalec.diagnostics import Reporter
from scalec.emit.report import why
from scalec.operands import Chooser, Operands
from scalec.pipeline import check_rule
from scalec.resolve.load import Workspace, load_standard, load_text
from scalec.source import Source
from scalec.symbolic.order import ONE, Order
from scalec.syntax.parser import parse_regime
from tests.sources import ROOT
from tests.test_imports import heavy, imported

MLP = ["--network", "mlp", "--optimizer", "adam", "--regime", "width"]
GOALS = ["stable_init", "stable_training", "nontrivial", "maximal_update", "faithful"]
BROKEN = "use std.mup\nrule frozen extends mup for adam { tensor input { lr *~ 1/fan_out } }\n"


def check(*arguments: str, code: int = 0) -> str:
    """What the command prints; its exit code is as expected."""
    done = CliRunner().invoke(app, ["check", *arguments])
    assert done.exit_code == code, done.output
    return done.stdout


def rows(text: str) -> dict[str, list[str]]:
    """Lines of a table by their label; columns stand at least two blanks apart."""
    lines = (re.split(r"\s{2,}", line) for line in text.splitlines())
    return {label: cells for label, *cells in lines}


@pytest.fixture
def broken(tmp_path: Path) -> str:
    path = tmp_path / "broken.scale"
    path.write_text(BROKEN, encoding="utf-8")
    return str(path)


# ---- text ------------------------------------------------------------------------------------
def test_the_table_of_one_rule() -> None:
    text = check("--rule", "mup", *MLP)
    assert text.startswith("mup on mlp as N ~ s\n\nat the limit, step 1\n")
    found = rows(text)
    assert found["hidden"] == ["1", "1", "1", "1", "N^-1"]
    assert found["readout"] == ["N^(-1/2)", "1", "1", "1"]
    assert found["input"] == ["1", "1", "absent", "1", "N^-1"]
    assert found["gradient norm"] == ["N^(1/2)"]
    assert all(found[goal] == ["pass"] for goal in GOALS)


def test_a_finding_is_told_with_its_place(broken: str) -> None:
    text = check(broken, *MLP, code=1)
    assert rows(text)["maximal_update"] == ["fail"]
    assert rows(text)["stable_training"] == ["pass"]
    assert "error[SC504]: `input`'s effective term falls as `N^-1`\n" in text
    assert f"{broken}:2:51\n" in text
    assert "help: `lr` of `input` times `N` keeps it at order 1" in text


def test_the_goals_asked_for_and_no_others() -> None:
    found = rows(check("--rule", "mup", *MLP, "--goal", "nontrivial,complete_depth"))
    assert [name for name in found if name in {*GOALS, "complete_depth"}] == ["nontrivial", "complete_depth"]


def test_every_step_from_the_first() -> None:
    text = check("--rule", "mup", *MLP, "--steps")
    first, second = text.split("at the limit, step 1\n")
    assert "step 0\n" in first
    assert rows(first)["hidden"] == ["1", "1", "N^-1"]
    assert rows(second)["hidden"] == ["1", "1", "1", "1", "N^-1"]


def test_a_regime_of_the_file_beside_a_standard_one() -> None:
    chooser = Chooser(load_text("regime grow { F ~ s }"), Reporter())
    regime = chooser.regime(parse_regime(Source("--regime", "grow + depth")))
    assert regime is not None
    assert regime.growth == (("F", Order.of({"s": 1})), ("L", Order.of({"t": 1})))


def test_several_rules_stand_side_by_side() -> None:
    text = check("--rule", "mup,sp", *MLP, code=1)
    found = rows(text.split("\n\n")[0])
    assert found[""] == ["mup", "sp"]
    assert found["stable_init"] == ["pass", "pass"]
    assert found["maximal_update"] == ["pass", "fail"]
    assert text.index("mup on mlp") < text.index("sp on mlp")


def test_a_files_only_rule_has_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.scale").write_text("use std.mup\nrule mine extends mup for adamw { base N = 64 }\n")
    text = check(str(tmp_path / "a.scale"), "--network", "mlp", "--regime", "width")
    assert "mine on mlp as N ~ s" in text


@pytest.mark.slow
def test_where_directions_matter_each_row_says_where(tmp_path: Path) -> None:
    path = tmp_path / "bent.scale"
    path.write_text(
        "use std.mup\nrule bent extends mup for adamw {\n  site residual { scale ~ 1/depth }\n"
        "  tensor readout { init.std ~ min(1/fan_in, 1/depth) }\n}\n"
    )
    text = check(str(path), "--network", "gpt", "--optimizer", "adamw", "--regime", "width+depth", code=1)
    assert "gpt as L ~ t, N ~ s" in text
    assert "readout  [t/s < 1]" in text
    assert "readout  [1 < t/s]" in text


# ---- derivations -----------------------------------------------------------------------------
def order(text: str) -> Order:
    """`L^(1/2) * N^-1` read back; `1` is the empty product."""
    powers = (part.partition("^") for part in text.split(" * ") if part != "1")
    return Order.of((name, Fraction(power.strip("()") or 1)) for name, _, power in powers)


def derivations(text: str) -> list[tuple[list[Order], Order, Order]]:
    """For each derivation its factors, what it says they multiply to, and the order it explains."""
    found = []
    for part in text.strip().split("\n\n"):
        head, *lines = part.splitlines()
        claimed = head.rpartition(": ")[2].partition(" (")[0]
        if lines:
            *factors, total = (line.strip() for line in lines)
            found.append(([order(re.split(r"\s{2,}", f)[0]) for f in factors], order(total[2:]), order(claimed)))
        else:
            assert claimed == "absent"
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "network", "optimizer", "regime"),
    [
        ("mup", "mlp", "sgd", "width"),
        ("sp", "mlp", "adam", "width"),
        ("mup", "gpt", "adamw", "head_dim"),
        ("completep", "gpt", "adamw", "depth"),
    ],
)
def test_the_factors_shown_multiply_to_the_order(rule: str, network: str, optimizer: str, regime: str) -> None:
    report = check_rule(load_standard(), Operands(rule, network, optimizer), regime)
    named = [name for name in report.names() if not name.endswith(".gradient")]
    assert len(named) > 10
    for name in named:
        for factors, total, claimed in derivations(why(report, name)):
            assert reduce(mul, factors, ONE) == total == claimed, name


def test_a_derivation_whose_factors_do_not_multiply_is_seen() -> None:
    text = check("--rule", "mup", *MLP, "--why", "readout.propagating")
    ((factors, total, claimed),) = derivations(text)
    assert len(factors) > 2
    ((wrong, *_),) = derivations(text.replace("  N^-1  ", "  N^-2  ", 1))
    assert reduce(mul, wrong, ONE) != total
    assert total == claimed


def test_a_term_at_the_observable_it_reaches() -> None:
    own, there = (check("--rule", "mup", *MLP, "--why", name) for name in ("readout.init", "readout.init at logits"))
    assert own.startswith("init of `readout`, step 0: N^(-1/2)\n")
    assert there.startswith("init of `logits` through `readout`, step 0: N^(-1/2)\n")


def test_an_unknown_term_suggests() -> None:
    done = CliRunner().invoke(app, ["check", "--rule", "mup", *MLP, "--why", "readout.propagatin"])
    assert done.exit_code == 1
    assert "did you mean `readout.propagating`" in done.stderr


# ---- formats ---------------------------------------------------------------------------------
def test_concise(broken: str) -> None:
    lines = check(broken, *MLP, "--format", "concise", code=1).splitlines()
    assert f"{broken}:2:51: error[SC504] `input`'s effective term falls as `N^-1`" in lines


def test_github(broken: str) -> None:
    lines = check(broken, *MLP, "--format", "github", code=1).splitlines()
    assert lines
    assert all(re.match(r"::(error|warning) (file=.+,line=\d+,col=\d+,)?title=SC\d+::.", line) for line in lines)


def test_sarif(broken: str) -> None:
    found = json.loads(check(broken, *MLP, "--format", "sarif", code=1))
    assert found["version"] == "2.1.0"
    assert "sarif" in found["$schema"]
    (run,) = found["runs"]
    assert run["tool"]["driver"]["name"] == "scalec"
    known = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert {result["ruleId"] for result in run["results"]} == known
    (first, *_) = [r for r in run["results"] if r["ruleId"] == "SC504"]
    assert first["level"] == "error"
    assert first["message"]["text"].startswith("`input`'s effective term")
    assert first["locations"][0]["physicalLocation"]["region"]["startLine"] == 2


def test_json(broken: str) -> None:
    found = CheckDocument.model_validate_json(check(broken, *MLP, "--format", "json", code=1))
    assert found.verdict == "fail"
    assert list(found.verdicts) == GOALS
    assert {f.tensor for f in found.findings if f.goal == "maximal_update"} == {"input"}
    row = next(t for t in found.terms if (t.observable, t.term) == ("input", "effective"))
    assert (row.order, row.exponent, row.absent) == ({"N": "-1"}, {"s": "-1"}, False)


def test_json_of_several_rules_is_a_list() -> None:
    found = json.loads(check("--rule", "mup,sp", *MLP, "--format", "json", code=1))
    assert [report["verdict"] for report in found] == ["pass", "fail"]


def test_json_of_files(broken: str, tmp_path: Path) -> None:
    with (tmp_path / "broken.scale").open("a", encoding="utf-8") as file:
        file.write("check frozen on mlp for adam under width { expect nontrivial }\n")
        file.write("check frozen on mlp for adam under width { expect maximal_update }\n")
    found = json.loads(check(broken, "--format", "json", code=1))
    assert found["schema"] == "scalec.checks/1"
    assert [run["holds"] for run in found["checks"]] == [True, False]
    ChecksDocument.model_validate(found)
    (wrong,) = found["checks"][1]["diagnostics"]
    assert wrong["code"] == "SC516"
    assert wrong["line"] == 4


# ---- exit codes and files --------------------------------------------------------------------
def test_a_wrong_command_line_is_code_2() -> None:
    assert check(code=2) == ""
    check("--no-such-option", code=2)
    check("--rule", "mup", *MLP, "--format", "yaml", code=2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--rule", "mup", "--network", "mlp", "--optimizer", "adam", "--regime", "nowhere"],
        ["--rule", "mup", *MLP, "--goal", "perfect"],
        ["--rule", "mupp", *MLP],
        ["no_such_file.scale"],
    ],
    ids=["regime", "goal", "rule", "file"],
)
def test_a_mistake_in_the_request_is_a_finding(arguments: list[str]) -> None:
    check(*arguments, code=1)


def test_an_undetermined_verdict_is_no_success(tmp_path: Path) -> None:
    path = tmp_path / "post.scale"
    path.write_text(
        "use std.mup\nnetwork post {\n  dims N, L\n  fixed D = 8, C = 8\n  input(D) linear(N)\n"
        "  repeat L { residual { linear(N) act(relu) } norm(layer) }\n  readout(C)\n}\n"
    )
    operands = ["--rule", "mup", "--network", "post", "--optimizer", "adam"]
    text = check(str(path), *operands, "--regime", "depth", code=1)
    assert rows(text)["maximal_update"] == ["undetermined"]
    assert "warning[SC513]" in text
    check(str(path), *operands, "--regime", "width")


@pytest.mark.slow
def test_a_folder_means_every_file_in_it(tmp_path: Path) -> None:
    line = "use std.mup\ncheck mup on mlp for adam under width { expect nontrivial }\n"
    for name in ("b", "a"):
        (tmp_path / f"{name}.scale").write_text(line, encoding="utf-8")
    text = check(str(tmp_path))
    assert [Path(found).name for found in re.findall(r"^ok +(\S+):2:", text, re.MULTILINE)] == ["a.scale", "b.scale"]
    assert text.endswith("2 checks: 2 hold, 0 do not\n")
    (tmp_path / "c.scale").write_text(line.replace("nontrivial", "nontrivial fails"), encoding="utf-8")
    assert check(str(tmp_path), code=1).endswith("3 checks: 2 hold, 1 do not\n")


@pytest.mark.slow
def test_every_check_of_the_packs_and_examples_holds() -> None:
    text = check(str(ROOT / "rules"), str(ROOT / "examples"))
    assert re.search(r"(\d+) checks: \1 hold, 0 do not\n$", text)
    assert all(f" under {regime}" in text for regime in ("width", "depth", "heads", "head_dim", "ffn", "width + depth"))


@pytest.mark.slow
def test_no_torch_is_imported(tmp_path: Path) -> None:
    assert heavy(imported("scalec", "check", "--rule", "mup", *MLP, folder=tmp_path)) == {"typer", "lark"}


# ---- cost ------------------------------------------------------------------------------------
NET = """
use std.mup
network net {
  dims N, L = LAYERS, H = HEADS, F = WIDE*N
  fixed V = VOCABULARY, T = VOCABULARY
  embed(vocabulary = V, width = N)
  position(T)
  repeat L {
    BLOCKS
  }
  norm(layer)
  readout(V)
}
rule r extends mup for adam { site residual { scale ~ 1/depth } }
"""
BLOCKS = "residual { norm(layer) attention(heads = H, causal) } residual { norm(layer) mlp(width = F, act = gelu) }"
SMALL = {"LAYERS": "2", "HEADS": "2", "WIDE": "4", "VOCABULARY": "64"}
LARGE = {"LAYERS": "610", "HEADS": "1280", "WIDE": "12", "VOCABULARY": "200000"}


def network(sizes: dict[str, str], blocks: str = BLOCKS) -> Workspace:
    text = NET.replace("BLOCKS", blocks)
    return load_text(reduce(lambda t, size: t.replace(*size), sizes.items(), text))


def calls(workspace: Workspace, regime: str) -> int:
    """How many functions of the calculus a check calls."""
    count = 0

    def watch(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        count += event == "call" and frame.f_globals.get("__name__", "").startswith("scalec.calculus")

    sys.setprofile(watch)
    try:
        check_rule(workspace, Operands("r", "net", "adam"), regime)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.slow
@pytest.mark.parametrize("regime", ["width", "depth"])
def test_the_cost_does_not_depend_on_sizes(regime: str) -> None:
    small = calls(network(SMALL), regime)
    assert small > 1000
    assert calls(network(LARGE), regime) == small


@pytest.mark.slow
def test_the_cost_depends_on_what_is_written_down() -> None:
    more = f"{BLOCKS} residual {{ norm(layer) mlp(width = F, act = gelu) }}"
    assert calls(network(SMALL, more), "width") > calls(network(SMALL), "width")
