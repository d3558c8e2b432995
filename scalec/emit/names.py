"""Names and comments that go into emitted text. Input: text from rule files. Output: text that is safe.

Invariant: an identifier from a rule file reaches emitted code only through `check_names`; other text
of a rule file only through `comment`, on one line, with nothing that ends a comment or a docstring.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from scalec import catalogue as codes
from scalec.diagnostics import Reporter
from scalec.plan.model import Origin
from scalec.program.program import Program, Region
from scalec.source import Span

LINE = 88  # where linters and formatters draw the line if nobody tells them another
MAX_NAME = 40
MAX_TITLE = 28  # of a network's or a rule's name in a heading


@dataclass(frozen=True)
class Stamp:
    """What emitted files say of where they come from: no date and no machine.

    `inputs_hash` is the hash of the canonical inputs, so that a comment in a rule file changes nothing.
    """

    version: str
    inputs_hash: str


# What a module of the emitted network already has: attributes of `torch.nn.Module`, and our own.
MODULE_ATTRIBUTES = frozenset(
    {
        "T_destination", "add_module", "apply", "bfloat16", "buffers", "call_super_init", "children", "compile",
        "config", "cpu", "cuda", "double", "dump_patches", "eval", "extra_repr", "float", "forward", "generate",
        "get_buffer", "get_extra_state", "get_parameter", "get_submodule", "half", "ipu", "load_state_dict",
        "module", "modules", "mtia", "named_buffers", "named_children", "named_modules", "named_parameters",
        "parameters", "register_backward_hook", "register_buffer", "register_forward_hook",
        "register_forward_pre_hook", "register_full_backward_hook", "register_full_backward_pre_hook",
        "register_load_state_dict_post_hook", "register_load_state_dict_pre_hook", "register_module",
        "register_parameter", "register_state_dict_post_hook", "register_state_dict_pre_hook",
        "requires_grad_", "set_extra_state", "set_submodule", "share_memory", "state_dict", "to", "to_empty",
        "train", "training", "type", "xpu", "zero_grad",
    }
)  # fmt: skip


# What the emitted functions call their own values and what they read of their module: no name for a side stream.
LOCALS = re.compile(
    r"(x|h|gate|image)\d*|self|config|tokens|block|scale|places|table|line|rows|torch|nn|math|F|Tensor|waves|whole"
    r"|[a-z]+_B[A-Z]+"
)


def check_names(program: Program, optimizers: Iterable[str], reporter: Reporter) -> None:
    """Report every name of a plan that emitted code cannot bear. Lowering has seen to keywords."""
    dimensions = [d.name for d in program.dimensions]
    ratios = {f"m_{name}" for name in dimensions}
    for name in dimensions:
        _check(name, "dimension", ratios, None, reporter)
    for region in walk(program.regions):
        if region.kind != region.name:
            _check(region.name, "block", MODULE_ATTRIBUTES, region.span, reporter)
        if (region.kind == "let" or "argument" in dict(region.options)) and LOCALS.fullmatch(region.name):
            _refuse(region.name, region.kind, "it means something else there", region.span, reporter)
    classes: set[str] = set()
    for name in optimizers:  # `a_b` and `aB` would be one class
        _check_place(name, "optimizer", camel(name) in classes, None, reporter)
        classes.add(camel(name))


def inputs(program: Program) -> tuple[str, ...]:
    """What the network takes besides its first input, as `forward` calls it, in order."""
    options = (dict(region.options) for region in walk(program.regions))
    return tuple(str(o["argument"]) for o in options if "argument" in o)


def walk(regions: Iterable[Region]) -> Iterator[Region]:
    """Every region, parents first."""
    for region in regions:
        yield region
        yield from walk(region.children)


def _check(name: str, what: str, taken: Collection[str], span: Span | None, reporter: Reporter) -> None:
    assert name.isidentifier(), name
    assert not keyword.iskeyword(name), name
    _check_place(name, what, name in taken, span, reporter)


def _check_place(name: str, what: str, taken: bool, span: Span | None, reporter: Reporter) -> None:
    if not taken and len(name) <= MAX_NAME:
        return
    long = f"it is longer than {MAX_NAME} characters"
    _refuse(name, what, long if len(name) > MAX_NAME else "it means something else there", span, reporter)


def _refuse(name: str, what: str, why: str, span: Span | None, reporter: Reporter) -> None:
    reporter.report(
        codes.RESERVED_NAME, f"{what} `{name[:MAX_NAME]}` cannot have this name in emitted code", span,
        notes=(why,), helps=("give it another name",),
    )  # fmt: skip


def camel(name: str) -> str:
    """`dense_block` -> `DenseBlock`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def comment(text: str, width: int) -> str:
    """Text of a rule file on one line: ASCII, no `"` that ends a docstring, no `\\`, no `#`."""
    line = " ".join(re.sub(r"[^ -~]|[\\#]", " ", text).replace('"', "'").split())
    return line if len(line) <= width else f"{line[: width - 4]} ..."


def provenance(origins: Iterable[Origin], width: int) -> tuple[str, ...]:
    """One comment line for each clause that made a value: `# mup: tensor output { lr ~ 1/fan_in }`."""
    lines = dict.fromkeys(line for o in origins for line in (f"{o.rule}: {o.text}", *_empirical(o)))
    return tuple(f"# {comment(line, width - 2)}" for line in lines)


def _empirical(origin: Origin) -> Iterator[str]:
    """Nothing that was fitted passes for a rule that was proved."""
    yield from (f"empirical, a fit: {law.name} = {law.formula}" for law in origin.fits)


def lint(name: str) -> str:
    """What a class field of this name needs for the linter: sizes may be called `l` or `mN`."""
    if name in ("l", "I", "O"):
        return "  # noqa: E741"
    mixed = name[0].islower() and name != name.lower()
    return "  # noqa: N815" if mixed else ""
