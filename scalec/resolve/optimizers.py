"""From an optimizer declaration to its settings. Input: a workspace and a name. Output: `Optimizer`."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from keyword import iskeyword

from scalec import catalogue as codes
from scalec.diagnostics import Reporter, did_you_mean
from scalec.resolve.load import GENERATIONS, Workspace
from scalec.source import Span
from scalec.syntax import nodes

FAMILIES = ("sgd", "entrywise", "spectral", "other")
DECAYS = ("torch", "independent", "l2", "none")
ATTRIBUTES = ("lr", "eps", "wd", "beta1", "beta2", "momentum")
CLASS_PREFIX = "torch.optim."


@dataclass(frozen=True)
class Optimizer:
    """What the calculus and the plan need: update family, class, attributes with defaults, decay.

    `uses` pairs an attribute with its default expression (the anchor of last resort), or None.
    """

    name: str
    family: str
    path: str
    arguments: tuple[tuple[str, str | Fraction], ...]
    uses: tuple[tuple[str, nodes.Expr | None], ...]
    decay: str
    factor: nodes.Expr | None
    span: Span


def resolve_optimizer(
    workspace: Workspace,
    name: str,
    reporter: Reporter,
    span: Span | None = None,
    allowed: tuple[str, ...] = (),
) -> Optimizer | None:
    """The optimizer of that name as the main file sees it; `allowed` are class names beyond torch.optim."""
    found = workspace.find("optimizer", name, workspace.main, span, reporter)
    if found is None:
        return None
    assert isinstance(found.declaration, nodes.OptimizerDecl)
    settings = _settings(workspace, found.declaration, found.unit, reporter, ())
    return _build(found.declaration, settings, reporter, allowed)


def _settings(
    workspace: Workspace,
    declaration: nodes.OptimizerDecl,
    unit: str,
    reporter: Reporter,
    path: tuple[tuple[str, str], ...],
) -> dict[str, nodes.Setting]:
    """Settings by kind, the parent's first, so that a child's own win."""
    settings: dict[str, nodes.Setting] = {}
    key = (unit, declaration.name)
    if declaration.extends:
        if key in path:
            reporter.report(codes.CYCLE, f"optimizer `{declaration.name}` extends itself", declaration.extends.span)
            return settings
        if len(path) >= GENERATIONS:
            message = f"optimizer `{declaration.name}` is an ancestor in generation {len(path)}"
            reporter.fail(codes.LIMIT, message, declaration.extends.span)
        parent = workspace.find("optimizer", declaration.extends.text, unit, declaration.extends.span, reporter)
        if parent:
            assert isinstance(parent.declaration, nodes.OptimizerDecl)
            settings = _settings(workspace, parent.declaration, parent.unit, reporter, (*path, key))
    return settings | {s.kind: s for s in declaration.settings}


def _build(
    declaration: nodes.OptimizerDecl, settings: dict[str, nodes.Setting], reporter: Reporter, allowed: tuple[str, ...]
) -> Optimizer | None:
    before = len(reporter.diagnostics)
    for needed in ("update", "class", "uses", "decay"):
        if needed not in settings:
            reporter.report(
                codes.OPTIMIZER,
                f"optimizer `{declaration.name}` does not say its `{needed}`",
                declaration.span,
            )
    if len(reporter.diagnostics) > before:
        return None
    update, decay, klass, uses = (settings[k] for k in ("update", "decay", "class", "uses"))
    _check_word("update family", update, FAMILIES, reporter)
    _check_word("decay", decay, DECAYS, reporter)
    for size in uses.sizes:
        if size.name not in ATTRIBUTES:
            reporter.report(
                codes.UNKNOWN_WORD,
                f"an optimizer uses no `{size.name}`",
                size.span,
                helps=did_you_mean(size.name, ATTRIBUTES),
                notes=[f"it may use {', '.join(ATTRIBUTES)}"],
            )
    assert klass.ref is not None
    for word in (*klass.ref.path.split("."), *(a.name or "" for a in klass.ref.arguments)):
        if iskeyword(word) or word.startswith("_"):
            reporter.report(codes.OPTIMIZER, f"`{word}` is no name of a class or an argument here", klass.ref.span)
    if not klass.ref.path.startswith(CLASS_PREFIX) and klass.ref.path not in allowed:
        reporter.report(
            codes.OPTIMIZER,
            f"class `{klass.ref.path}` is not under `{CLASS_PREFIX[:-1]}`",
            klass.ref.span,
            helps=[f"allow it where you trust the file: `--allow-class {klass.ref.path}`"],
        )
    arguments = tuple(_argument(a, reporter) for a in klass.ref.arguments)
    factor = settings["factor"].expr if "factor" in settings else None
    return Optimizer(
        declaration.name,
        update.word or "",
        klass.ref.path,
        arguments,
        tuple((s.name, s.value) for s in uses.sizes),
        decay.word or "",
        factor,
        declaration.span,
    )


def _argument(argument: nodes.Argument, reporter: Reporter) -> tuple[str, str | Fraction]:
    match argument.value:
        case nodes.Name(text) if argument.name and text.isidentifier():
            return argument.name, text
        case nodes.Number() as number if argument.name:
            return argument.name, number.value
        case _:
            reporter.report(codes.OPTIMIZER, "a class argument is `name = word` or `name = number`", argument.span)
            return argument.name or "", ""


def _check_word(what: str, setting: nodes.Setting, known: tuple[str, ...], reporter: Reporter) -> None:
    if setting.word not in known:
        reporter.report(
            codes.UNKNOWN_WORD,
            f"unknown {what} `{setting.word}`",
            setting.span,
            notes=[f"it is one of {', '.join(known)}"],
            helps=did_you_mean(setting.word or "", known),
        )
