"""Input made to hurt is a diagnostic, soon and in little memory: never a traceback, a hang or another file's text.

Time is that of the processor, against the second of the documented limits; a slow machine gets as
many times more as an ordinary command takes longer on it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forking import Outcome, Server, server
from tests.sources import ROOT

pytestmark = pytest.mark.slow  # a process for each

SECOND, MEGABYTES = 1.0, 200.0
ORDINARY = 0.15  # seconds that the plan of the example takes where a second is a second

PACKS = "use std.sp\nuse std.mup\n"
ON_MLP = ("--network", "mlp", "--optimizer", "adamw", "--at", "N=128")


@pytest.fixture(scope="module")
def commands() -> Iterator[Server]:
    with server(str(ROOT)) as running:
        yield running


@pytest.fixture(scope="module")
def limit(commands: Server) -> float:
    """Seconds that a command may take here."""
    example = ("plan", f"{ROOT / 'examples' / 'gpt.scale'}:gpt_mup", "--at", "N=128")
    return SECOND * max(1.0, *(commands.run(*example).seconds / ORDINARY for _ in range(3)))


def assert_refused(outcome: Outcome, limit: float, code: str = "") -> None:
    """A diagnostic (of that code) and exit code 1, within the limits."""
    assert outcome.code == 1, outcome.printed[-2000:]
    assert re.search(rf"(error|\"code\":)\W+{code or 'SC'}", outcome.printed), outcome.printed[:2000]
    assert "Traceback" not in outcome.printed
    assert outcome.seconds <= limit
    assert outcome.megabytes <= MEGABYTES


def rule(body: str, params: str = "") -> str:
    return f"{PACKS}rule r{params} extends sp {{ base N = 64 {body} }}"


def dims(defaults: str) -> str:
    names = " ".join(f"dim d{i}" for i in range(150))
    chain = ", ".join(defaults.replace("X", f"d{i - 1}").replace("Y", f"d{i}") for i in range(1, 150))
    return f"{PACKS}{names}\nnetwork n {{ dims d0 = 9, {chain}\n input(3) linear(d149) readout(3) }}"


# ---- texts that `check` refuses ------------------------------------------------------------------
CHAIN = "\n".join(f"{{0}} r{i} extends r{i + 1} {{{{ }}}}" for i in range(1600))
TEXTS = {
    "beyond the size": ("#" * 140_000, "SC102"),
    "beyond the words": (f"law a = {'+'.join(['a'] * 60_000)}", "SC102"),
    "ten thousand parentheses": (f"rule r {{ tensor * {{ lr ~ {'(' * 10_000}1{')' * 10_000} }} }}", "SC102"),
    "sixty-five parentheses": (f"law a = {'(' * 65}1{')' * 65}", "SC102"),
    "a long sum": (f"law a = {'+'.join(['a'] * 4900)}", "SC102"),
    "many signs": (f"law a = {'-' * 9000}1", "SC102"),
    "many nots": (f"rule r {{ require {'not ' * 9000} 1 < 2 }}", "SC102"),
    "many ands": (f"rule r {{ require {' and '.join(['1 < 2'] * 2400)} }}", "SC102"),
    "a tower": ("law a = 2^(10^10)", "SC102"),
    "a root of nothing": ("law a = N^(1/10^50)", "SC102"),
    "a long number": (f"law a = {'9' * 60_000}", "SC102"),
    "many mistakes": ("dim ?\n" * 4900, "SC101"),
    "a mistake at the end": ("dim a\n" * 4900 + "dim ?", "SC101"),
    "one name many times": ("dim " * 9900, "SC202"),
    "many sizes": (f"rule r {{ base {','.join(['a'] * 4900)} }}", "SC201"),
    "many unknown blocks": (f"network n {{ {' '.join(f'aaaaaaa{i}' for i in range(9000))} }}", "SC208"),
    "many unknown parents": ("\n".join(f"rule r{i} extends s{i} {{ }}" for i in range(1600)), "SC201"),
    "a long ancestry": (CHAIN.format("rule"), "SC102"),
    "a long ancestry of optimizers": (CHAIN.format("optimizer"), "SC102"),
    "long names": (f"dim {'a' * 40_000}\ndim {'a' * 40_001}\nrule x extends {'a' * 40_001} {{ }}", "SC201"),
    "deep sections": (f"rule r {{ {'for a { ' * 63}{'} ' * 63} }}", "SC201"),
    "a NUL byte": ("dim N\0", "SC104"),
    "a size called as a keyword": ("dim None\nnetwork n { dims None = 3\n input(3) linear(3) readout(2) }", "SC308"),
    "a block called as a keyword": ("use std.dims\nnetwork n { input(3) linear(4) as class readout(2) }", "SC308"),
    "a block called __class__": ("use std.dims\nnetwork n { input(3) linear(4) as __class__ readout(2) }", "SC308"),
    "a class of the system": ("use std.optimizers\noptimizer o extends adam { class os.system(x = 1) }", "SC211"),
    "a class behind a class": ("use std.optimizers\noptimizer o extends adam { class torch.optim.__x__.x }", "SC211"),
    "an argument __class__": ("use std.optimizers\noptimizer o extends adam { class torch.optim.A(__x__=1) }", "SC211"),
    "a look-alike name": ("dim \N{CYRILLIC SMALL LETTER A}", "SC101"),
    "a look-alike block": ("network n { input(3) line\N{CYRILLIC SMALL LETTER A}r(4) readout(2) }", "SC101"),
    "a full-width digit": ("law a = \N{FULLWIDTH DIGIT ONE}", "SC101"),
    "a string that is never closed": ('dim a "b\nrule r { }', "SC101"),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_refused(name: str, commands: Server, limit: float, tmp_path: Path) -> None:
    text, code = TEXTS[name]
    file = tmp_path / "hostile.scale"
    file.write_text(text, encoding="utf-8")
    assert_refused(commands.run("check", str(file)), limit, code)
    if code in ("SC101", "SC104") or (code == "SC102" and "ancestry" not in name):
        assert_refused(commands.run("fmt", str(file)), limit, code)
        assert file.read_text("utf-8") == text


# ---- rules that have no plan ---------------------------------------------------------------------
DOUBLED = ", ".join(["a0 = N+N", *(f"a{i} = a{i - 1}*a{i - 1}" for i in range(1, 200))])
HANDED_ON = "\n".join(f"rule r{i}(x) extends r{i + 1}(x*x) {{ }}" for i in range(40))


def equation(law: str) -> str:
    return f"law x = {law}\n{rule('tensor matrix { lr solves x ~ 1 }')}"


SIZES = "+".join(f"N^({i}/7)" for i in range(1, 40))
PLANS = {
    "a tower of powers": (rule("run { lr = ((((2^64)^64)^64)^64)^64 }"), "SC301"),
    "a tower of parameters": (rule("run { lr = c }", "(a = 2^64, b = a^64, c = b^64)"), "SC301"),
    "a power through a parameter": (rule("run { lr = 2^a }", "(a = 10^50)"), "SC102"),
    "a root through a parameter": (rule("run { lr = N^(1/a) }", "(a = 10^50)"), "SC102"),
    "an exponent divided by zero": (rule("run { lr = N^(1/0) }"), "SC301"),
    "a difference that is zero": (rule("run { lr = 1/(N - N) }"), "SC301"),
    "a product beyond floats": (rule("run { lr = 1e300*1e300 }"), "SC301"),
    "a product below floats": (rule("run { lr = 1e-300*1e-300 }"), "SC301"),
    "a power of a size beyond floats": (rule("run { lr = 1e300*N^64 }"), "SC301"),
    "a decay beyond floats": (rule("run { lr = 1e300; wd = 1e300 }"), "SC301"),
    "the root of less than zero": (rule("run { lr = sqrt(64 - N) }"), "SC301"),
    "parameters that double": (rule("run { lr = a199 }", f"({DOUBLED})"), "SC102"),
    "an equation of a high degree": (equation("lr^60 + lr*N"), "SC414"),
    "an equation of many distances": (equation("+".join(f"1/(lr + {i})" for i in range(1, 60))), "SC414"),
    "an equation that is long": (equation("*".join([f"(1 + lr*N + lr*({SIZES}))"] * 2 + [f"(lr + {SIZES})"])), "SC414"),
    "an equation of long products": (equation("*".join(f"(lr*({SIZES}) + N^({i}/5))" for i in range(4))), "SC414"),
    "arguments that double": (
        f"{PACKS}{HANDED_ON}\nrule r40(x) extends sp {{ base N = 64 run {{ lr = x }} }}\nrule r extends r0(N) {{ }}",
        "SC102",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANS)
def test_a_rule_without_a_plan_is_refused(name: str, commands: Server, limit: float, tmp_path: Path) -> None:
    text, code = PLANS[name]
    file = tmp_path / "hostile.scale"
    file.write_text(text, encoding="utf-8")
    for form in ("text", "json"):
        assert_refused(commands.run("plan", str(file), "--rule", "r", *ON_MLP, "--format", form), limit, code)
    out = str(tmp_path / "out")
    assert_refused(commands.run("compile", str(file), "--rule", "r", *ON_MLP, "-o", out), limit, code)


@pytest.mark.parametrize("defaults", ["Y = X*X", "Y = X + min(X, 3)*X", "Y = X^64", "Y = sqrt(X)"])
def test_sizes_that_grow_from_default_to_default_are_refused(
    defaults: str, commands: Server, limit: float, tmp_path: Path
) -> None:
    file = tmp_path / "hostile.scale"
    file.write_text(dims(defaults), encoding="utf-8")
    operands = ("--rule", "sp", "--optimizer", "adam", "--network", "n", "--at", "d0=9")
    assert_refused(commands.run("plan", str(file), *operands), limit)


@pytest.mark.parametrize(
    "option",
    [
        ("--at", "N=1e300"), ("--at", "N=2^60"), ("--at", "N=-1"), ("--at", "N=0"), ("--at", "N=1/0"),
        ("--at", "N=" + "9" * 60_000), ("--at", "(" * 5000), ("--at", "N=1\0"), ("--at", "N"), ("--at", "N=1,N=2"),
        ("--at", "__class__=1"), ("--base", "N=1e300"), ("--tune", "lr=1e300*1e300"), ("--tune", "lr=(2^64)^64"),
        ("--tune", "__class__=1"), ("--tune", "=" * 1000), ("--rule", "(" * 1000), ("--network", "mlp()"),
        ("--optimizer", "\N{CYRILLIC SMALL LETTER A}dam"), ("--why", "x" * 100_000),
    ],
    ids=lambda option: f"{option[0]} {option[1][:12]!a}",
)  # fmt: skip
def test_an_option_is_refused(option: tuple[str, str], commands: Server, limit: float, tmp_path: Path) -> None:
    file = tmp_path / "hostile.scale"
    file.write_text(rule(""), encoding="utf-8")
    operands = [word for pair in zip(ON_MLP[::2], ON_MLP[1::2], strict=True) if pair[0] != option[0] for word in pair]
    assert_refused(commands.run("plan", str(file), *operands, *option), limit)


# ---- files ---------------------------------------------------------------------------------------
SECRET = "root: a line that no rule file holds"


@pytest.mark.parametrize("command", ["check", "fmt", "plan"])
@pytest.mark.parametrize(
    "name", ["secret.txt", "link.scale", "loop.scale", "folder.scale", "absent.scale", "user.scale"]
)
def test_a_file_that_is_no_rule_file_is_not_shown(
    name: str, command: str, commands: Server, limit: float, tmp_path: Path
) -> None:
    (tmp_path / "secret.txt").write_text(SECRET)
    (tmp_path / "link.scale").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "loop.scale").symlink_to(tmp_path / "pool.scale")
    (tmp_path / "pool.scale").symlink_to(tmp_path / "loop.scale")
    (tmp_path / "folder.scale").mkdir()
    uses = (
        "secret.txt",
        tmp_path / "secret.txt",
        "/etc/passwd",
        "link.scale",
        "loop.scale",
        "folder.scale",
        "\\0.scale",
    )
    (tmp_path / "user.scale").write_text("".join(f'use "{path}"\n' for path in uses))
    if (command, name) in {("fmt", "user.scale"), ("fmt", "folder.scale"), ("check", "folder.scale")}:
        return  # `fmt` opens nothing that a file uses; a folder is a folder of rule files
    outcome = commands.run(command, str(tmp_path / name))
    assert_refused(outcome, limit)
    assert SECRET not in outcome.printed
    assert "root:" not in outcome.printed


def test_a_file_may_use_itself(commands: Server, tmp_path: Path) -> None:
    file = tmp_path / "self.scale"
    file.write_text('use "self.scale"\nuse "./self.scale"\ndim a\n')
    assert commands.run("check", str(file)).code == 0


def test_a_long_chain_of_files_ends(commands: Server, limit: float, tmp_path: Path) -> None:
    for i in range(400):
        (tmp_path / f"f{i}.scale").write_text(f'use "f{i + 1}.scale"\n')
    (tmp_path / "f400.scale").write_text("dim a\n")
    assert_refused(commands.run("check", str(tmp_path / "f0.scale")), limit, "SC102")


@pytest.mark.parametrize("data", [b"\xff\xfe", b"dim \xe4", "dim N".encode("utf-16"), b"\0" * 1000])
def test_bytes_that_are_no_text_are_refused(data: bytes, commands: Server, limit: float, tmp_path: Path) -> None:
    file = tmp_path / "hostile.scale"
    file.write_bytes(data)
    for command in ("check", "fmt"):
        assert_refused(commands.run(command, str(file)), limit, "SC104")
    assert file.read_bytes() == data
    assert_refused(commands.run("fmt", stdin=data.decode("utf-8", "surrogateescape")), limit, "SC104")


def test_a_pipe_is_not_waited_for(commands: Server, limit: float, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.scale")
    assert_refused(commands.run("check", str(tmp_path / "pipe.scale")), limit, "SC105")
    assert_refused(commands.run("fmt", str(tmp_path / "pipe.scale")), limit, "SC105")


@pytest.mark.parametrize("where", ["/proc/no/x.scale", "/dev/null/x.scale"])
def test_a_place_that_cannot_be_written_is_said(where: str, commands: Server, limit: float) -> None:
    assert_refused(commands.run("new", where, "--network", "gpt", "--rule", "mup"), limit, "SC106")
    example = (f"{ROOT / 'examples' / 'gpt.scale'}:gpt_mup", "--at", "N=128")
    assert_refused(commands.run("compile", *example, "-o", where), limit, "SC106")


# ---- the tests can fail --------------------------------------------------------------------------
@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(0, "error[SC101]: x", 0, 0),
        Outcome(3, "error[SC101]: x", 0, 0),
        Outcome(None, "error[SC101]: x", 0, 0),
        Outcome(1, "something", 0, 0),
        Outcome(1, "error[SC102]: x", 0, 0),
        Outcome(1, "error[SC101]: x\nTraceback (most recent call last)", 0, 0),
        Outcome(1, "error[SC101]: x", 1.1, 0),
        Outcome(1, "error[SC101]: x", 0, 201),
    ],
)
def test_what_is_not_refused_is_noticed(outcome: Outcome) -> None:
    assert_refused(Outcome(1, "error[SC101]: x", 1, 200), 1.0, "SC101")
    with pytest.raises(AssertionError):
        assert_refused(outcome, 1.0, "SC101")


def test_time_and_memory_are_counted(commands: Server) -> None:
    outcome = commands.run("--help")
    assert outcome.code == 0
    assert 0 < outcome.seconds < 60
