"""Texts to trees: spans, limits, files, several mistakes in one run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalec.catalogue import LIMIT, NOT_TEXT, SYNTAX, UNREADABLE
from scalec.diagnostics import Code, Diagnostic, ScalecError
from scalec.source import Source
from scalec.syntax import nodes
from scalec.syntax.build import DEPTH, MISTAKES
from scalec.syntax.layout import to_text
from scalec.syntax.parser import NESTING, SIZE, parse, parse_expression, parse_sizes, read_source
from scalec.syntax.printer import expression_text


def read(text: str) -> nodes.File:
    return parse(Source("<test>", text))


def mistakes_in(text: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(ScalecError) as raised:
        read(text)
    return raised.value.diagnostics


def assert_refused(code: Code, text: str) -> Diagnostic:
    (found,) = mistakes_in(text)
    assert found.code == code, found
    return found


def clause_of(text: str) -> nodes.Clause:
    (rule,) = read(f"rule r {{ {text} }}").declarations
    assert isinstance(rule, nodes.RuleDecl)
    (clause,) = rule.parts
    assert isinstance(clause, nodes.Clause)
    return clause


def test_the_assertion_of_a_refusal_can_fail() -> None:
    with pytest.raises(AssertionError):
        assert_refused(LIMIT, "dim")
    with pytest.raises(pytest.fail.Exception):
        assert_refused(SYNTAX, "dim N")


# ---- trees -----------------------------------------------------------------------------------
def test_a_block_and_a_repeat_may_have_names() -> None:
    (network,) = read("network n { linear(N) as hidden repeat L as sparse { norm(rms) } }").declarations
    assert isinstance(network, nodes.NetworkDecl)
    linear, repeat = network.items
    assert isinstance(linear, nodes.Block)
    assert isinstance(repeat, nodes.Block)
    assert (linear.kind, linear.name, linear.body) == ("linear", "hidden", None)
    assert (repeat.kind, repeat.name) == ("repeat", "sparse")
    (count,) = repeat.arguments
    assert count.name is None
    assert isinstance(count.value, nodes.Name)
    assert repeat.body is not None
    assert len(repeat.body) == 1


def test_an_optimizer_may_give_values() -> None:
    text = "optimizer o { class torch.optim.Muon(adjust_lr_fn = original) uses lr = 1e-3, eps }"
    (optimizer,) = read(text).declarations
    assert isinstance(optimizer, nodes.OptimizerDecl)
    klass, uses = optimizer.settings
    assert klass.ref is not None
    assert klass.ref.path == "torch.optim.Muon"
    assert [(size.name, size.value and expression_text(size.value)) for size in uses.sizes] == [
        ("lr", "1e-3"),
        ("eps", None),
    ]


@pytest.mark.parametrize("word", ["zero", "yes", "independent", "expert", "cosine", "on", "fit", "rule"])
def test_a_word_is_a_name_even_where_it_is_a_keyword_elsewhere(word: str) -> None:
    (statement,) = clause_of(f"run {{ schedule = {word} }}").statements
    assert isinstance(statement, nodes.Set)
    assert isinstance(statement.value, nodes.Name)
    assert statement.value.text == word


def test_a_keyword_never_splits_a_word() -> None:
    assert [type(d) for d in read("rule ruler { } dim dimension").declarations] == [nodes.RuleDecl, nodes.Dim]
    assert mistakes_in("ruler { }")
    assert mistakes_in("rule r { tensormatrix { lr ~ 1 } }")


def test_semicolons_and_newlines_make_no_difference() -> None:
    assert read("rule r { run { lr ~ 1; wd ~ 1; }; };") == read("rule r {\nrun {\nlr ~ 1\nwd ~ 1\n}\n}\n")


def test_spans_point_at_what_they_name() -> None:
    (statement,) = clause_of("tensor * { lr ~ 1; wd ~ (a + b)/c }").statements[1:]
    assert isinstance(statement, nodes.Set)
    assert statement.span.text == "wd ~ (a + b)/c"
    assert isinstance(statement.value, nodes.Binary)
    assert statement.value.left.span.text == "(a + b)"
    assert statement.value.right.span.text == "c"


def test_spans_take_no_part_in_equality() -> None:
    assert clause_of("run { lr ~ 1 }") == clause_of("run   { lr  ~ 1 }")
    assert clause_of("run { lr ~ 1 }") != clause_of("run { lr ~ 2 }")


def test_comments_are_kept_with_their_offsets() -> None:
    text = 'dim N "no # comment"  # one  \n# two\nrule r { cite https://x.y/z#w }'
    file = read(text)
    assert [comment for _, comment in file.comments] == ["# one", "# two"]
    assert all(text[offset:].startswith(comment) for offset, comment in file.comments)


def test_sizes_as_the_command_line_writes_them() -> None:
    sizes = parse_sizes(Source("--at", "N=4096,L=48"))
    assert [(size.name, size.value and expression_text(size.value)) for size in sizes] == [("N", "4096"), ("L", "48")]


# ---- several mistakes ------------------------------------------------------------------------
def test_every_broken_declaration_has_its_own_diagnostic_in_order() -> None:
    text = "rule a { lr ~ 1 }\ndim N\nrule b {\n  run { lr ~ }\n}\nlaw l = N^-1/2\n"
    assert [found.span and found.span.line for found in mistakes_in(text)] == [1, 4, 6]


def test_a_missing_brace_hides_no_later_mistake() -> None:
    found = mistakes_in("rule a { run { lr ~ 1 }\nrule b { run { lr: 1 } }\n")
    assert [d.span and d.span.line for d in found] == [1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("line", ["rule r { run { lr } }", "law l = x^1/2", "law l = x^999", "law l = 1e999"])
def test_the_number_of_mistakes_shown_is_limited(line: str) -> None:
    assert len(mistakes_in(f"{line}\n" * 1000)) == MISTAKES


# ---- powers ----------------------------------------------------------------------------------
@pytest.mark.parametrize("text", ["x^-1/2", "x^1/2", "a*x^-1/2", "-x^0.5/2", "sqrt(x^-1/2)", "x ^ - 1 / 2"])
def test_a_power_with_two_readings_is_refused_and_both_are_shown(text: str) -> None:
    found = assert_refused(SYNTAX, f"law l = {text}")
    assert [help_.split("`")[1].startswith(("x^(", "(x^")) for help_ in found.helps] == [True, True]


@pytest.mark.parametrize("text", ["x^(-1/2)", "(x^-1)/2", "x^-1/y", "x^-alpha/2", "x^2 - 1/2", "1/x^2"])
def test_a_power_with_one_reading_is_fine(text: str) -> None:
    read(f"law l = {text}")


# ---- limits ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "expression",
    [
        "2^(10^10)", "N^101", "N^-1000", "N^(1/1000001)", "N^1e9", "1e999999999999", "1e301", "1e-301", "1" * 41,
        "1e" + "9" * 5000, "(" * (NESTING + 1) + "N" + ")" * (NESTING + 1), "+".join("N" * (DEPTH + 10)),
        "-" * (DEPTH + 10) + "N", "*".join("N" * 20000), "2^((9^9)^9)",
    ],
)  # fmt: skip
def test_beyond_a_limit_is_an_error_and_never_a_hang(expression: str) -> None:
    assert_refused(LIMIT, f"law l = {expression}")


@pytest.mark.parametrize("expression", ["N^100", "N^-0.713", "1e300", "1" * 40, "+".join("N" * (DEPTH - 10))])
def test_within_a_limit_is_fine(expression: str) -> None:
    read(f"law l = {expression}")


def test_what_is_within_the_limits_may_be_walked_recursively() -> None:
    nested = "(" * (NESTING - 1) + "N" + " + 1)" * (NESTING - 1)
    expression = parse_expression(Source("<test>", nested))
    assert parse_expression(Source("<test>", expression_text(expression))) == expression


def test_braces_nest_no_deeper_than_the_limit() -> None:
    def nested(depth: int) -> str:
        return "network n " + "{ sum " * depth + "{ }" + " }" * depth

    read(nested(NESTING - 1))
    assert_refused(LIMIT, nested(NESTING))


def test_a_text_is_no_larger_than_the_limit() -> None:
    read("#" * SIZE)
    assert_refused(LIMIT, "#" * (SIZE + 1))
    assert_refused(NOT_TEXT, "dim N\0")
    assert_refused(NOT_TEXT, "dim N # \ud800")


@pytest.mark.slow
def test_a_file_as_large_as_the_limit_is_read() -> None:
    line = f"rule r {{ tensor matrix {{ lr ~ 1/sqrt(fan_in) }} }}  # {'long ' * 40}\n"
    assert len(read(line * (SIZE // len(line))).declarations) == SIZE // len(line)


@given(st.text(st.sampled_from(' \n{}()[]"#~=*^-/+.,;:ruleN12ée\x00\x1b\ud800'), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        file = read(text)
    except ScalecError as error:
        mistakes = error.diagnostics
    else:
        mistakes = ()
        assert read(to_text(file)) == file
    assert mistakes or file


# ---- files -----------------------------------------------------------------------------------
def unreadable(path: Path) -> Diagnostic:
    with pytest.raises(ScalecError) as raised:
        read_source(path)
    (found,) = raised.value.diagnostics
    assert str(path) in found.message or found.code == NOT_TEXT
    return found


def test_a_file_is_read_with_any_line_ends_and_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.scale"
    path.write_bytes(b"\xef\xbb\xbfdim N\r\ndim L\rdim T\n")
    source = read_source(path, "a.scale")
    assert source == Source("a.scale", "dim N\ndim L\ndim T\n")


def test_what_cannot_be_read_is_a_diagnostic(tmp_path: Path) -> None:
    assert unreadable(tmp_path / "missing.scale").code == UNREADABLE
    assert unreadable(tmp_path).code == UNREADABLE
    assert unreadable(tmp_path / "nul\0name").code == UNREADABLE
    assert unreadable(tmp_path / ("x" * 5000)).code == UNREADABLE
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert unreadable(loop).code == UNREADABLE


@pytest.mark.skipif(sys.platform == "win32", reason="needs pipes and devices")
def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert unreadable(tmp_path / "pipe").code == UNREADABLE
    assert unreadable(Path("/dev/zero")).code == UNREADABLE


def test_what_is_not_text_is_a_diagnostic(tmp_path: Path) -> None:
    path = tmp_path / "a.scale"
    path.write_bytes(b"dim N\n\xff\xfe")
    found = unreadable(path)
    assert found.code == NOT_TEXT
    assert "line 2" in found.notes[0]
    path.write_bytes(b"dim N\0")
    assert unreadable(path).code == NOT_TEXT
    path.write_bytes(b" " * (SIZE + 1))
    assert unreadable(path).code == LIMIT
