"""The command line: reads options, calls the pipeline, prints. Nothing is decided here.

Exit codes: 0 clean (warnings alone are clean), 1 findings, 2 wrong command line, 3 internal error.
Commands import what they need when they run, so that `--help` costs next to nothing.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from scalec.terminal import Report, findings, print_all, print_coloured, rule_files, write

if TYPE_CHECKING:
    from scalec.operands import Operands
    from scalec.pipeline import PlanRequest
    from scalec.plan.model import Plan
    from scalec.resolve.load import Workspace

MULTIPLIER_FREE = "multiplier_free"

app = typer.Typer(
    name="scalec",
    help="Scaling rules for PyTorch: write them once, check them, plan them, compile them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class TableFormat(StrEnum):
    """How a plan is written."""

    text = "text"
    json = "json"
    csv = "csv"
    markdown = "markdown"
    latex = "latex"


class DType(StrEnum):
    """What weights are kept in."""

    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


File = Annotated[str | None, typer.Argument(help="A rule file, or FILE:RULE.", show_default=False)]
Rule = Annotated[str | None, typer.Option(help="The rule: the file's own first, then a standard one.")]
Network = Annotated[str | None, typer.Option(help="The network.")]
Optimizer = Annotated[str | None, typer.Option(help="The optimizer.")]
At = Annotated[list[str] | None, typer.Option("--at", help="Sizes, `N=4096,L=48`; may be repeated.")]
BaseSizes = Annotated[str | None, typer.Option("--base", help="Base sizes, `N=256,L=4`.")]
Tunes = Annotated[list[str] | None, typer.Option("--tune", help="Where an attribute starts, `readout.lr=0.01`.")]
Tuned = Annotated[Path | None, typer.Option("--tuned", help="A file of such values, `NAME.tuned`.")]
PlanRegime = Annotated[str | None, typer.Option("--regime", help="The regime of `under` clauses, `width+depth`.")]
Allowed = Annotated[list[str] | None, typer.Option("--allow-class", help="An optimizer class beyond torch.optim.")]


def _version(shown: bool) -> None:
    if shown:
        from importlib.metadata import version

        typer.echo(f"scalec {version('scalec')}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    pass


@app.command()
def plan(
    file: File = None, rule: Rule = None, network: Network = None, optimizer: Optimizer = None,
    at: At = None, base: BaseSizes = None, tune: Tunes = None, tuned: Tuned = None, regime: PlanRegime = None,
    allow_class: Allowed = None,
    form: Annotated[TableFormat, typer.Option("--format", help="How to write it.")] = TableFormat.text,
    why: Annotated[str | None, typer.Option(help="TENSOR or TENSOR.ATTR: the clauses behind each value.")] = None,
    tunables: Annotated[bool, typer.Option("--tunables", help="What is tuned at the base, and who said so.")] = False,
    dtype: Annotated[DType, typer.Option(help="What weights are kept in: warn of what is too small.")] = DType.float32,
) -> None:  # fmt: skip
    """The per-tensor table: init, multipliers, learning rate, epsilon, decay; one column a size."""
    with findings(Report.json if form is TableFormat.json else Report.text):
        from scalec.emit import table
        from scalec.emit.tunables import tunables_text
        from scalec.plan.precision import underflows

        workspace, operands = _operands(file, rule, network, optimizer, allow_class)
        made = _planned(workspace, operands, _request(at or (), base, tune, tuned, regime))
        print_all(underflows(made, dtype.value), Report.text, sys.stderr)
        shown = tunables_text if tunables else table.FORMATS[form.value]
        typer.echo(table.why(made, why) if why else shown(made), nl=False)


@app.command("compile")
def compile_(
    file: File = None, rule: Rule = None, network: Network = None, optimizer: Optimizer = None,
    at: Annotated[list[str] | None, typer.Option("--at", help="Sizes, `N=4096,L=48`.")] = None,
    base: BaseSizes = None, tune: Tunes = None, tuned: Tuned = None, regime: PlanRegime = None,
    allow_class: Allowed = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder to write to.")] = Path(),
) -> None:  # fmt: skip
    """Emit a standalone PyTorch model, its optimizer, a training script and a manifest."""
    with findings(Report.text):
        from scalec import pipeline

        workspace, operands = _operands(file, rule, network, optimizer, allow_class)
        if len(at or ()) > 1:
            raise typer.BadParameter("one model has one size; the emitted `Config` takes others: name `--at` once")
        request = _request(at or ("",), base, tune, tuned, regime)
        made = _planned(workspace, operands, request)
        for emitted in pipeline.emit_files(made, pipeline.fingerprint(workspace, operands, request)):
            write(out / emitted.name, emitted.text)
            typer.echo(f"wrote {out / emitted.name}")


@app.command()
def check(
    paths: Annotated[list[Path] | None, typer.Argument(help="Rule files, or folders of them.")] = None,
    rule: Annotated[str | None, typer.Option(help="A rule, or several with commas, side by side.")] = None,
    network: Network = None, optimizer: Optimizer = None,
    regime: Annotated[str | None, typer.Option(help="How sizes grow: `width`, `width+depth`.")] = None,
    goal: Annotated[str | None, typer.Option(help="Desiderata, with commas; the default goal if none.")] = None,
    why: Annotated[str | None, typer.Option(help="OBSERVABLE.TERM: how its order comes about.")] = None,
    steps: Annotated[bool, typer.Option("--steps", help="The table at every step.")] = False,
    form: Annotated[Report, typer.Option("--format", help="How to write it.")] = Report.text,
) -> None:  # fmt: skip
    """Prove or refute rules without running anything: the `check` blocks of files, or one rule named here."""
    from scalec import checking

    if regime is None:
        if not paths:
            raise typer.BadParameter("name files to check, or a rule with --rule, --network and --regime")
        with findings(form):
            files = list(rule_files(paths))
        said = checking.of_files(files, form.value)
    else:
        file = str(paths[0]) if paths else None
        with findings(form):
            rules = rule.split(",") if rule and "(" not in rule else [rule]
            asked = [_operands(file, name, network, optimizer, None) for name in rules]
            said = checking.of_rules(asked, regime, goal, form.value, why=why, steps=steps)
    if form is Report.text and sys.stdout.isatty():
        print_coloured(said.text, sys.stdout)
    else:
        typer.echo(said.text, nl=False)
    if not said.holds:
        raise typer.Exit(1)


@app.command()
def derive(
    file: File = None, network: Network = None, optimizer: Optimizer = None,
    regime: Annotated[str, typer.Option(help="How sizes grow: `width`, `width+depth`.")] = "",
    goal: Annotated[str | None, typer.Option(help="Desiderata, with commas; the default goal if none.")] = None,
    keep: Annotated[str | None, typer.Option(help="A rule whose clauses stay; the rest is derived.")] = None,
    name: Annotated[str, typer.Option(help="What to call the rule.")] = "derived",
) -> None:  # fmt: skip
    """Find a rule that reaches a goal, and print it as a rule file that checks."""
    with findings(Report.text):
        from scalec.check.goals import DEFAULT
        from scalec.deriving import Asked, derive_rule

        if not regime:
            raise typer.BadParameter("say how sizes grow: `--regime width`")
        workspace, operands = _operands(file, keep, network, optimizer, None, "--keep")
        goals = tuple(goal.split(",")) if goal else DEFAULT
        typer.echo(derive_rule(workspace, Asked(operands, regime, goals, name)), nl=False)


@app.command()
def equiv(
    first: Annotated[str, typer.Argument(help="A rule, FILE:RULE, or a FILE with one rule.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
    network: Network = None, optimizer: Optimizer = None,
    absolute: Annotated[bool, typer.Option("--absolute", help="Compare values, and not only how they move.")] = False,
    base: BaseSizes = None,
    regime: Annotated[str, typer.Option(help="Compare orders, as sizes grow in this regime alone.")] = "",
) -> None:  # fmt: skip
    """Prove that two rules are the same up to gauge on a network, or say where they differ."""
    with findings(Report.text):
        from scalec.gauging import equivalence

        rules = _of_rules(first, second, network, optimizer)
        typer.echo(equivalence(*rules, absolute=absolute, base=base or "", regime=regime), nl=False)


@app.command()
def diff(
    first: Annotated[str, typer.Argument(help="A rule, FILE:RULE, or a FILE with one rule.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
    network: Network = None, optimizer: Optimizer = None,
) -> None:  # fmt: skip
    """What two rules say differently on a network, and what of it is a matter of gauge alone."""
    with findings(Report.text):
        from scalec.gauging import side_by_side

        typer.echo(side_by_side(*_of_rules(first, second, network, optimizer)), nl=False)


@app.command()
def convert(
    rule: Annotated[str, typer.Argument(help="A rule, FILE:RULE, or a FILE with one rule.")],
    form: Annotated[str, typer.Option(help="A rule whose gauge to take, or `multiplier_free`.")] = MULTIPLIER_FREE,
    network: Network = None, optimizer: Optimizer = None,
    name: Annotated[str, typer.Option(help="What to call the rule.")] = "converted",
) -> None:  # fmt: skip
    """Rewrite a rule in another gauge: the same training, with other factors in the forward pass or with none."""
    with findings(Report.text):
        from scalec.gauging import conversion

        like = None if form == MULTIPLIER_FREE else _of_rule("--form", form, network, optimizer)
        of = _of_rule("the rule", rule, network, optimizer)
        typer.echo(conversion(of, like, name, (MULTIPLIER_FREE,)), nl=False)


@app.command()
def fmt(
    paths: Annotated[list[Path] | None, typer.Argument(help="Rule files or folders; `-` or none: stdin.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; list what would change.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Write nothing; show what would change.")] = False,
) -> None:
    """Lay rule files out in the one way, comments kept. Exit code 1 where `--check` or `--diff` finds anything."""
    found = False
    with findings(Report.text):
        files = list(rule_files(paths or [Path("-")]))
    for path in files:
        try:
            with findings(Report.text):
                changed = _format(path, writes=not (check or diff), shows=diff)
                found |= changed and (check or diff)
        except typer.Exit:
            found = True  # it is left as it is; the others are laid out all the same
    if found:
        raise typer.Exit(1)


def _format(path: Path, *, writes: bool, shows: bool) -> bool:
    """Lay one file out; stdin goes to stdout. Whether anything changes."""
    from scalec.resolve.load import check_path
    from scalec.syntax.parser import SIZE, decode, read_source
    from scalec.tools import canonical, difference

    stdin = str(path) == "-"
    if not stdin:
        check_path(path)
    source = decode(sys.stdin.buffer.read(SIZE + 1), "<stdin>") if stdin else read_source(path)
    text = canonical(source)
    changed = text != source.text or (not stdin and path.read_bytes() != text.encode())
    if shows:
        typer.echo(difference(source, text), nl=False)
    elif stdin and writes:
        typer.echo(text, nl=False)
    elif changed and writes:
        write(path, text)
    elif changed:
        typer.echo(f"would lay out {source.name}")
    return changed


@app.command()
def new(
    file: Annotated[Path, typer.Argument(help="The rule file to write.")],
    network: Annotated[str, typer.Option(help="A standard network.")],
    rule: Annotated[str, typer.Option(help="The standard rule to start from.")],
    optimizer: Optimizer = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file where there is one.")] = False,
) -> None:
    """Begin a rule file: a rule of your own on top of a standard one, ready to check, plan and compile."""
    with findings(Report.text):
        from scalec import catalogue
        from scalec.diagnostics import Reporter
        from scalec.operands import Operands
        from scalec.resolve.standard import SUFFIX
        from scalec.tools import starter

        if file.suffix != SUFFIX:
            Reporter().fail(catalogue.UNWRITABLE, f"the name of a rule file ends in `{SUFFIX}`")
        if file.exists() and not force:
            Reporter().fail(catalogue.UNWRITABLE, f"`{file}` is there already", helps=["`--force` overwrites it"])
        write(file, starter(Operands(rule, network, optimizer), str(file)))
        typer.echo(f"wrote {file}")


@app.command()
def explain(code: Annotated[str, typer.Argument(help="A code (SC201) or its name (unknown-name).")]) -> None:
    """What a diagnostic means."""
    with findings(Report.text):
        from scalec.catalogue import CODES, UNKNOWN_CODE
        from scalec.diagnostics import Reporter, did_you_mean

        for known in CODES:
            if code in (known.id, known.name):
                typer.echo(f"{known.id} {known.name} ({known.severity})\n\n{known.doc}")
                return
        names = [n for c in CODES for n in (c.id, c.name)]
        Reporter().fail(UNKNOWN_CODE, f"there is no diagnostic `{code}`", helps=did_you_mean(code, names))


# ---- the border ------------------------------------------------------------------------------
def _operands(
    file: str | None, rule: str | None, network: str | None, optimizer: str | None, allowed: list[str] | None,
    said: str = "--rule",
) -> tuple[Workspace, Operands]:  # fmt: skip
    from scalec.operands import Operands
    from scalec.resolve.load import load, load_standard

    if file is None:
        workspace = load_standard()
    else:
        name, colon, of_file = file.rpartition(":")
        if colon and name.endswith(".scale"):
            file, rule = name, rule or of_file
        workspace = load(Path(file))
    return workspace, Operands(rule, network, optimizer, tuple(allowed or ()), said)


def _of_rule(said: str, text: str, network: str | None, optimizer: str | None) -> tuple[Workspace, Operands]:
    """RULE, FILE:RULE or FILE."""
    named = ".scale" in text
    return _operands(text if named else None, None if named else text, network, optimizer, None, said)


def _of_rules(
    first: str, second: str, network: str | None, optimizer: str | None
) -> tuple[tuple[Workspace, Operands], tuple[Workspace, Operands]]:
    of = (_of_rule(f"the {which} rule", t, network, optimizer) for which, t in (("first", first), ("second", second)))
    return next(of), next(of)


def _request(
    at: Iterable[str], base: str | None, tunes: list[str] | None, tuned: Path | None, regime: str | None
) -> PlanRequest:
    from scalec.pipeline import PlanRequest
    from scalec.plan.tune import read_tuned

    return PlanRequest(tuple(at), base, tuple(tunes or ()), regime, read_tuned(tuned) if tuned else None)


def _planned(workspace: Workspace, operands: Operands, request: PlanRequest) -> Plan:
    """The plan; what it warns of is printed."""
    from scalec.pipeline import plan
    from scalec.plan.choices import tied
    from scalec.plan.demands import unmet

    made = plan(workspace, operands, request)
    print_all((*unmet(made, "valid"), *tied(made)), Report.text, sys.stderr)
    return made


def main() -> NoReturn:
    """The `scalec` command. A mistake of ours is exit code 3 and one line, never a traceback."""
    gc.disable()  # a command frees what it made by ending; looking for cycles takes half of a long plan
    try:
        app()
    except Exception as error:
        if os.environ.get("SCALEC_TRACEBACK"):
            raise
        print(f"scalec: internal error: {type(error).__name__}: {error}", file=sys.stderr)
        print("this is a mistake in scalec; SCALEC_TRACEBACK=1 shows where", file=sys.stderr)
        sys.exit(3)
    sys.exit(0)
