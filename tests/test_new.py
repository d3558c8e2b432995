"""`scalec new`: the file checks, plans and compiles as it stands, and nothing is overwritten unasked."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from scalec.cli import app
from scalec.operands import Operands
from scalec.resolve.load import load_standard
from scalec.source import Source
from scalec.syntax import nodes
from scalec.tools import canonical, starter


def scalec(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def published(kind: type[nodes.Node]) -> list[str]:
    """Names that the standard packs declare, of what needs no arguments."""
    declared = [d for unit in load_standard().units.values() for d in unit.own.values()]
    return [d.name for d in declared if isinstance(d, kind) and all(p.value for p in getattr(d, "params", ()))]


def assert_begins(file: Path, network: str, rule: str, *more: str) -> None:
    """The file that `new` writes passes every command that its first comment names."""
    made = scalec("new", file, "--network", network, "--rule", rule, *more)
    assert made.exit_code == 0, made.output
    text = file.read_text("utf-8")
    assert canonical(Source("<new>", text)) == text
    commands = [line.removeprefix("#").split()[1:] for line in text.splitlines() if line.startswith("#   scalec ")]
    assert [words[0] for words in commands] == ["check", "plan", "compile"]
    for words in commands:
        result = scalec(*(w if w != "out" else file.parent / "out" for w in words))
        assert result.exit_code == 0, result.output
    assert (file.parent / "out" / "model.py").is_file()


PARTS = ("batch_sde", "batch_sde_archscale", "batch_sdew")  # to be laid on top of others


@pytest.mark.slow
@pytest.mark.parametrize("rule", sorted({*published(nodes.RuleDecl)} - {*PARTS}))
def test_a_file_from_each_rule(rule: str, tmp_path: Path) -> None:
    assert_begins(tmp_path / "my.scale", "gpt", rule)


@pytest.mark.parametrize("rule", PARTS)
def test_what_says_a_part_is_nothing_to_begin_with(rule: str, tmp_path: Path) -> None:
    result = scalec("new", tmp_path / "my.scale", "--network", "gpt", "--rule", rule)
    assert result.exit_code == 1
    assert result.output.startswith(f"error[SC402]: rule `{rule}` does not say")
    assert (result.output.count("error"), result.output.count("help")) == (1, 1)
    assert f"`extends THAT, {rule}`" in result.output
    assert not (tmp_path / "my.scale").exists()


@pytest.mark.slow
@pytest.mark.parametrize("network", published(nodes.NetworkDecl))
def test_a_file_from_each_network(network: str, tmp_path: Path) -> None:
    assert_begins(tmp_path / "my.scale", network, "sp")


def test_an_optimizer_may_be_named(tmp_path: Path) -> None:
    assert_begins(tmp_path / "my.scale", "mlp", "mup", "--optimizer", "sgd")
    assert "rule mine extends mup for sgd {" in (tmp_path / "my.scale").read_text()


def test_the_text_takes_what_the_packs_say(tmp_path: Path) -> None:
    text = starter(Operands("mup", "gpt"), "my.scale")
    assert "rule mine extends mup for adamw {" in text
    assert "run { lr = 1e-3;  eps = 1e-8;  wd = 0.01;  beta1 = 0.9;  beta2 = 0.999 }" in text
    assert "check mine on gpt for adamw under width, heads, head_dim { expect maximal_update, faithful }" in text


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    file = tmp_path / "my.scale"
    file.write_text("dim mine\n")
    result = scalec("new", file, "--network", "gpt", "--rule", "mup")
    assert result.exit_code == 1
    assert result.output.startswith("error[SC106]")
    assert file.read_text() == "dim mine\n"
    assert scalec("new", file, "--network", "gpt", "--rule", "mup", "--force").exit_code == 0
    assert "rule mine" in file.read_text()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("my.txt", "--network", "gpt", "--rule", "mup"), "SC106"),
        (("my.scale", "--network", "gtp", "--rule", "mup"), "SC201"),
        (("my.scale", "--network", "gpt", "--rule", "pum"), "SC201"),
        (("my.scale", "--network", "gpt", "--rule", "mup", "--optimizer", "mada"), "SC201"),
        (("my.scale", "--network", "gpt(1)", "--rule", "mup"), "SC206"),
    ],
)
def test_mistakes_are_said_and_nothing_is_written(arguments: tuple[str, ...], code: str, tmp_path: Path) -> None:
    result = scalec("new", tmp_path / arguments[0], *arguments[1:])
    assert result.exit_code == 1
    assert f"error[{code}]" in result.output
    assert not (tmp_path / arguments[0]).exists()


@pytest.mark.parametrize("name", ["a b.scale", "a\ndim x.scale", "a'b.scale", 'a"b.scale', "#.scale"])
def test_the_name_of_the_file_stays_in_its_comment(name: str) -> None:
    text = starter(Operands("mup", "mlp"), name)
    assert starter(Operands("mup", "mlp"), "x.scale").count("\n") == text.count("\n")
    assert canonical(Source(name, text)) == text
