"""`scalec fmt`: what it writes, what it leaves, what it says. Trees of any kind are in `tests/syntax`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from typer.testing import CliRunner, Result

from scalec.cli import app
from scalec.diagnostics import ScalecError
from scalec.source import Source
from scalec.syntax.parser import parse
from scalec.tools import canonical
from tests.sources import ROOT
from tests.test_never_a_traceback import mutated

FILES = [path for folder in ("rules", "examples", "bench/rules") for path in sorted((ROOT / folder).rglob("*.scale"))]
UGLY = "# a rule\nrule   mine extends mup{run{lr=1/2}   # of the clause\n}\n\n\n\ndim N\n"
NEAT = "# a rule\nrule mine extends mup {\n  run { lr = 1/2 }  # of the clause\n}\n\ndim N\n"


def fmt(*arguments: object, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(app, ["fmt", *map(str, arguments)], input=stdin)


@pytest.fixture
def ugly(tmp_path: Path) -> Path:
    path = tmp_path / "ugly.scale"
    path.write_text(UGLY)
    return path


def test_a_file_is_laid_out_in_place(ugly: Path) -> None:
    result = fmt(ugly)
    assert (result.exit_code, result.output) == (0, "")
    assert ugly.read_text() == NEAT


def test_check_lists_and_writes_nothing(ugly: Path, tmp_path: Path) -> None:
    (tmp_path / "neat.scale").write_text(NEAT)
    result = fmt("--check", tmp_path)
    assert (result.exit_code, result.output) == (1, f"would lay out {ugly}\n")
    assert ugly.read_text() == UGLY


def test_check_is_content_with_what_fmt_wrote(ugly: Path) -> None:
    fmt(ugly)
    assert fmt("--check", ugly).exit_code == 0


def test_diff_shows_and_writes_nothing(ugly: Path) -> None:
    result = fmt("--diff", ugly)
    assert result.exit_code == 1
    assert "\n-rule   mine extends mup{run{lr=1/2}   # of the clause\n" in result.output
    assert "\n+  run { lr = 1/2 }  # of the clause\n" in result.output
    assert ugly.read_text() == UGLY


def test_diff_says_that_the_last_line_had_no_end() -> None:
    assert "\\ No newline at end of file" in fmt("--diff", stdin=b"dim N").output


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_stdin_goes_to_stdout(arguments: tuple[str, ...]) -> None:
    result = fmt(*arguments, stdin=UGLY.encode())
    assert (result.exit_code, result.output) == (0, NEAT)


def test_stdin_can_be_checked() -> None:
    assert fmt("--check", stdin=NEAT.encode()).exit_code == 0
    result = fmt("--check", stdin=UGLY.encode())
    assert (result.exit_code, result.output) == (1, "would lay out <stdin>\n")


@pytest.mark.parametrize("data", [b"rule r {", b"dim N\0", b"\xff"])
def test_a_bad_file_is_left_as_it_is_and_the_others_are_not(data: bytes, ugly: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.scale"
    bad.write_bytes(data)
    result = fmt(bad, ugly)
    assert result.exit_code == 1
    assert result.output.startswith("error[SC1")
    assert bad.read_bytes() == data
    assert ugly.read_text() == NEAT


def test_ends_of_lines_and_marks_of_other_systems_go(tmp_path: Path) -> None:
    path = tmp_path / "a.scale"
    path.write_bytes(b"\xef\xbb\xbf" + NEAT.replace("\n", "\r\n").encode())
    assert fmt("--check", path).exit_code == 1
    assert fmt(path).exit_code == 0
    assert path.read_bytes() == NEAT.encode()


def test_a_file_that_is_right_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "a.scale"
    path.write_text(NEAT)
    path.chmod(0o444)
    before = path.stat().st_mtime_ns
    assert fmt(path).exit_code == 0
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_published_files_are_as_fmt_leaves_them(path: Path) -> None:
    """`scalec fmt rules examples bench/rules` does it. Printing and parsing are then inverse on them too."""
    text = path.read_text("utf-8")
    assert canonical(Source("<test>", text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "network n { dims x; base(a) }",
        "network n { let a = { let b = { }; dims(c) } }",
        "rule r { tensor * { lr = a; optimizer = b; base ~ 1; dims = 2 } }",
        "regime r { N ~ a; class ~ b; dim ~ c }",
        "rule r { run { } }",
        "law a = b^3/(2^-1)",
    ],
)
def test_what_the_fuzzer_found_settles(text: str) -> None:
    """Names that are words of the language elsewhere, and other rarities."""
    assert_settles(text)


@pytest.mark.slow
@hypothesis_settings(max_examples=60)
@given(mutated())
def test_any_text_is_laid_out_once_and_for_all_or_refused(text: str) -> None:
    try:
        parse(Source("<test>", text))
    except ScalecError:
        return
    assert_settles(text)


def assert_settles(text: str) -> None:
    """Laid out, the text says the same, with the same comments, and changes no more."""
    source = Source("<test>", text)
    once = canonical(source)
    before, after = parse(source), parse(Source("<test>", once))
    assert after == before
    assert [c for _, c in after.comments] == [c for _, c in before.comments]
    assert canonical(Source("<test>", once)) == once


def test_a_layout_that_never_settles_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.test_fmt.canonical", lambda source: source.text + "\n# more\n")
    with pytest.raises(AssertionError):
        assert_settles(NEAT)
