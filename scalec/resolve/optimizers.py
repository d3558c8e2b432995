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

OTHER = "other"
FAMILIES = ("sgd", "entrywise", "spectral", OTHER)
DECAYS = ("torch", "independent", "l2", "none")
CHOSEN = {"update": ("update family", FAMILIES), "decay": ("decay", DECAYS)}
NEEDED = {
    "update": f"`update FAMILY`, one of {', '.join(FAMILIES)}",
    "decay": f"`decay KIND`, one of {', '.join(DECAYS)}",
    "class": "`class torch.optim.NAME`",
    "uses": "`uses lr, wd`: the attributes that the class takes",
}
ATTRIBUTES = ("lr", "eps", "wd", "beta1", "beta2", "momentum")
CLASS_PREFIX = "torch.optim."
# How a class makes an update from a matrix of gradients, where the emitter can write its step out for many at
# once: a scheme, and what it needs to be told.
SCHEMES: dict[str, tuple[str, ...]] = {"newton_schulz": ("a", "b", "c", "steps", "eps")}


@dataclass(frozen=True)
class Batched:
    """`newton_schulz(a = ..., ...)`: momentum as a running mean with Nesterov's look ahead, orthogonalised in
    bfloat16 by `steps` times `x -> a x + b x x' x + c x x' x x' x`; `eps` is the least norm divided by."""

    scheme: str
    arguments: tuple[tuple[str, nodes.Expr], ...]


@dataclass(frozen=True)
class Optimizer:
    """What the calculus and the plan need: update family, class, attributes with defaults, decay.

    `uses` pairs an attribute with its default expression (the anchor of last resort), or None. `factor`:
    what the class multiplies an update by itself; `batched`: what it does, for code that does it at once for
    all matrices of one shape; `effect`: of an update of a family of its own, the change that it makes.
    """

    name: str
    family: str
    path: str
    arguments: tuple[tuple[str, str | Fraction], ...]
    uses: tuple[tuple[str, nodes.Expr | None], ...]
    decay: str
    factor: nodes.Expr | None
    span: Span
    batched: Batched | None = None
    effect: nodes.Expr | None = None


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
    own = {s.kind: s for s in declaration.settings}
    if "class" in own:
        settings.pop("batched", None)  # it said what the parent's class does
    return settings | own


def _build(
    declaration: nodes.OptimizerDecl, settings: dict[str, nodes.Setting], reporter: Reporter, allowed: tuple[str, ...]
) -> Optimizer | None:
    before = len(reporter.diagnostics)
    for needed, example in NEEDED.items():
        if needed not in settings:
            said = f"optimizer `{declaration.name}` does not say its `{needed}`"
            reporter.report(codes.OPTIMIZER, said, declaration.span, helps=[example])
    for kind, (what, known) in CHOSEN.items():
        if kind in settings:
            _check_word(what, settings[kind], known, reporter)
    for size in settings["uses"].sizes if "uses" in settings else ():
        if size.name not in ATTRIBUTES:
            reporter.report(
                codes.UNKNOWN_WORD,
                f"an optimizer uses no `{size.name}`",
                size.span,
                helps=did_you_mean(size.name, ATTRIBUTES),
                notes=[f"it may use {', '.join(ATTRIBUTES)}"],
            )
    if len(reporter.diagnostics) > before:
        return None
    update, decay, klass, uses = (settings[k] for k in NEEDED)
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
        _batched(declaration, settings, reporter) if "batched" in settings else None,
        _effect(settings, reporter) if "effect" in settings else None,
    )


def _effect(settings: dict[str, nodes.Setting], reporter: Reporter) -> nodes.Expr | None:
    setting, update = settings["effect"], settings["update"]
    if update.word != OTHER:
        said = f"what `update {update.word}` does is known, an `effect` is for `update {OTHER}`"
        reporter.report(codes.OPTIMIZER, said, setting.span)
    return setting.expr


def _batched(declaration: nodes.OptimizerDecl, settings: dict[str, nodes.Setting], reporter: Reporter) -> Batched:
    setting = settings["batched"]
    assert setting.ref is not None
    scheme, given = setting.ref.path, {a.name: a.value for a in setting.ref.arguments}
    if scheme not in SCHEMES:
        reporter.fail(
            codes.UNKNOWN_WORD, f"unknown way to an update `{scheme}`", setting.span,
            notes=[f"there is {', '.join(SCHEMES)}"], helps=did_you_mean(scheme, SCHEMES),
        )  # fmt: skip
    needed = SCHEMES[scheme]
    arguments = tuple((n, v) for n in needed if isinstance(v := given.get(n), nodes.Expr))
    if len(arguments) < len(needed) or len(setting.ref.arguments) != len(needed):
        said = f"`{scheme}` takes {', '.join(f'`{n}`' for n in needed)}, each by name and once"
        reporter.report(codes.OPTIMIZER, said, setting.span)
    used = {size.name for size in settings["uses"].sizes}
    if (settings["update"].word, settings["decay"].word, used) != ("spectral", "torch", {"lr", "wd", "momentum"}):
        said = f"`{scheme}` makes a `spectral` update from `lr`, `wd` and `momentum`, with decay as `torch` has it"
        reporter.report(codes.OPTIMIZER, said, declaration.span)
    return Batched(scheme, arguments)


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
