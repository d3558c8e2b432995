"""Text of the emitted `model.py`. Input: a plan and a size. Output: Python that imports torch alone.

Invariant: everything is a function of `Config`; between two sizes only its defaults differ. Shapes,
multipliers and initial spreads are printed formulas, never numbers of one size.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import partial

from scalec.diagnostics import Reporter
from scalec.emit.blocks import emit_sequence
from scalec.emit.code import Reader, names, size_text
from scalec.emit.guards import compared, guard_lines
from scalec.emit.modules import Expr, Library, ModuleWriter, statement
from scalec.emit.names import LINE, MAX_TITLE, Stamp, comment, inputs, lint, provenance, walk
from scalec.emit.rows import Entry, rows_text
from scalec.plan.model import Plan, PlannedTensor, Quantity
from scalec.plan.select import parameter_pattern
from scalec.program.program import Dimension
from scalec.symbolic.formula import UNIT, Formula, as_number
from scalec.symbolic.text import plain, python


def model_text(plan: Plan, sizes: Mapping[str, Fraction], stamp: Stamp, reporter: Reporter) -> str:
    """`model.py` of a plan; `sizes` are the defaults of its configuration."""
    library = Library(plan, reporter)
    main = _model_class(library, plan, reporter)
    library.define("Model", main)
    parts = [_config(plan, sizes, reporter), library.text(), _initial(plan), CLAIM, _init_weights(plan)]
    parts += [*_frozen(plan), _build(plan)]
    for call, helper in (("waves(", WAVES), ("whole(", WHOLE), ("draw(", DRAW)):
        if any(call in part for part in parts):
            parts.insert(1, helper)
    parts += [BALANCING[word] for word in sorted(balancing(plan))]
    body = "\n\n\n".join(parts)
    return "\n".join([_header(plan, stamp, body), "", "", body, ""])


def reads_tokens(plan: Plan) -> bool:
    """Whether the network's input is one-hot: an index per position, not a vector."""
    return any(r.kind == "embed" for r in plan.program.regions)


def balancing(plan: Plan) -> frozenset[str]:
    """How experts are kept evenly met: by a `loss` that joins the network's, by steps of a `bias`."""
    words = (dict(region.options).get("balance") for region in walk(plan.program.regions))
    return frozenset(str(word) for word in words if word) & BALANCING.keys()


BALANCING = {
    "loss": '''def balance_loss(model: nn.Module) -> Tensor:
    """What the last forward pass in training adds to the loss; asked for once."""
    losses = []
    for module in model.modules():
        if getattr(module, "balance", None) is not None:
            losses.append(module.balance)
            module.balance = None
    return torch.stack(losses).sum()''',
    "bias": '''def rebalance(model: nn.Module) -> None:
    """After each step of the optimizer: what the forward passes since then ask for."""
    for module in model.modules():
        if hasattr(module, "rebalance"):
            module.rebalance()''',
}


def used(plan: Plan) -> list[Formula]:
    """Every formula that a plan's emitted code evaluates."""
    tensors: Iterable[Mapping[str, Quantity]] = (t.numbers for t in plan.tensors)
    sites: Iterable[Mapping[str, Quantity]] = (s.numbers for s in plan.sites)
    return (
        [q.formula for numbers in (*tensors, *sites) for q in numbers.values()]
        + [q.formula for q in plan.run.values() if isinstance(q, Quantity)]
        + compared(plan)
    )


# ---- head ------------------------------------------------------------------------------------
def _header(plan: Plan, stamp: Stamp, body: str) -> str:
    network, rule = comment(plan.program.name, MAX_TITLE), comment(plan.rule, MAX_TITLE)
    lines = [
        f'"""Network `{network}` under rule `{rule}`.',
        *([f"Its clauses are those under `{plan.regime}`."] if plan.regime else []),
        "",
        f"Written by scalec {stamp.version}. Everything below is a function of `Config`: with other",
        "sizes, shapes, multipliers and initial spreads are the rule's there. Comments name",
        "the rule and the clause that a value comes from.",
        *(SHAPES if "_BHTD" in body else []),
        '"""',
        "",
        "from __future__ import annotations",
        "",
        *(["import math"] if "math." in body else []),
        "from dataclasses import dataclass",
        "",
        "import torch",
        "from torch import Tensor, nn",
        *(["from torch.nn import functional as F"] if re.search(r"(?<![\w.])F\.", body) else []),
        "",
        f'PLAN_HASH = "{stamp.inputs_hash}"',
    ]
    based = names(used(plan), "base") + names(used(plan), "ratio")
    if based:
        lines += ["", "# The base size: the rule's numbers hold there, and its laws say how they move."]
        lines += [f"BASE_{d.name} = {_number(plan.base[d.name])}" for d in plan.program.dimensions if d.name in based]
    if "MASK_SEED" in body:
        lines += ["", "# Masks are the same in every run, whatever the weights are drawn with.", "MASK_SEED = 0"]
    return "\n".join(lines)


SHAPES = (
    "",
    "Shape suffixes: B batch, T position, N width of the stream, H head, D width of a head.",
)


def _number(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else repr(float(value))


def _config(plan: Plan, sizes: Mapping[str, Fraction], reporter: Reporter) -> str:
    """The one place that differs between two sizes: the defaults of the fields."""
    ratios = names(used(plan), "ratio")
    own = Reader("self")
    lines = ["@dataclass", "class Config:", f'    """{ABOUT_CONFIG}"""', ""]
    after = []
    for dim in plan.program.dimensions:
        given = "None" if _follows(dim) and dim.name not in plan.freed else _number(sizes[dim.name])
        kind = "float" if dim.name in plan.program.shares else "int"
        field = f"    {dim.name}: {f'{kind} | None' if _follows(dim) else kind} = {given}"
        about = comment(_about(dim), LINE - len(field) - len("  # ") - len(lint(dim.name)))
        lines.append(field + (f"  # {about}" if about else "") + lint(dim.name))
    for dim in _by_need(filter(_follows, plan.program.dimensions)):
        assert dim.default is not None
        share = dim.name in plan.program.shares
        default = python(dim.default, own) if share else size_text(own, dim.default, reporter)
        after.append(f"        if self.{dim.name} is None:")
        after += [f"            {line}" for line in statement(f"self.{dim.name} = {default}", 12)]
    after += [
        f"        {line}"
        for d in plan.program.dimensions
        if d.name in ratios
        for line in statement(f"self.m_{d.name} = self.{d.name} / BASE_{d.name}", 8)
    ]
    after += [f"        {line}" for line in guard_lines(plan, own)]
    return "\n".join(lines + (["", "    def __post_init__(self) -> None:", *after] if after else []))


ABOUT_CONFIG = "Sizes of the network; `m_N` is N over its base, as in the papers."


def _follows(dim: Dimension) -> bool:
    """Whether its default moves with other dimensions."""
    return dim.default is not None and as_number(dim.default) is None


def _about(dim: Dimension) -> str:
    follows = f"{plain(dim.default)} unless given" if dim.default is not None and _follows(dim) else ""
    return ", ".join(part for part in (dim.doc, follows, "" if dim.grows else "fixed") if part)


def _by_need(dimensions: Iterable[Dimension]) -> list[Dimension]:
    """Dimensions that follow others, each after those that its default reads."""
    left = {d.name: d for d in dimensions}
    done: list[Dimension] = []
    while left:
        ready = [d for d in left.values() if d.default and not set(names([d.default], "size")) & set(left)]
        done += ready
        left = {name: d for name, d in left.items() if d not in ready}
    return done


WHOLE = '''def whole(a: int, b: int) -> int:
    """`a / b`, which has to be a whole number."""
    if a % b:
        raise ValueError(f"{a} is not divisible by {b}: choose other sizes")
    return a // b'''


DRAW = '''def draw(mask: Tensor, density: float, generator: torch.Generator) -> None:
    """Each entry is inside with the chance `density`."""
    chances = torch.rand(mask.shape, generator=generator, device="cpu")
    mask.copy_(chances < density)'''


WAVES = '''def waves(t: Tensor, pairs: int) -> Tensor:
    """Cosines and sines of `t` [...] at frequencies from 1 to 1/10000: [..., 2 * pairs]."""
    steps = torch.arange(pairs, dtype=t.dtype, device=t.device) / pairs
    angles = t.unsqueeze(-1) * 10_000.0**-steps
    return torch.cat([angles.cos(), angles.sin()], dim=-1)'''


# ---- the network -----------------------------------------------------------------------------
def _model_class(library: Library, plan: Plan, reporter: Reporter) -> str:
    tokens = reads_tokens(plan)
    w = ModuleWriter(library, "tokens" if tokens else "x")
    w.doc = _about_model(plan)
    w.attribute("config", "config")
    result = emit_sequence(w, plan.program.regions, Expr(w.argument))
    if tokens and not w.beside:
        w.methods += _generate(plan, reporter)
    return w.text(result)


def _about_model(plan: Plan) -> str:
    """What comes in and goes out, with shapes."""
    kinds = [r.kind for r in plan.program.regions]
    (first,) = (shape for kind, shape in INPUTS.items() if kind in kinds)
    further = inputs(plan.program)
    beside = f" and {', '.join(further)}" if further else ""
    readout = plan.program.regions[-1]
    return f"{first}{beside} to logits {'[B, T, classes]' if readout.option('positions') else '[B, classes]'}."


INPUTS = {
    "embed": "Tokens [B, T]",
    "input": "Vectors [B, D]",
    "image": "Images [B, C, H, W]",
    "patch": "Images [B, C, H, W]",
}


def _generate(plan: Plan, reporter: Reporter) -> list[str]:
    """Sampling, where every position sees only those before it."""
    regions = list(walk(plan.program.regions))
    if not all(r.option("causal") for r in regions if r.kind == "attention"):
        return []
    context = context_of(plan, Reader("self.config"), reporter)
    return GENERATE.format(seen=f"tokens[:, -{context} :]" if context else "tokens").splitlines()


def context_of(plan: Plan, reader: Reader, reporter: Reporter) -> str | None:
    """Text of the longest sequence that the network takes, None where nothing limits it."""
    for region in walk(plan.program.regions):
        context = dict(region.options).get("context")
        if isinstance(context, Formula):
            text = size_text(reader, context, reporter)
            return text if " " not in text else f"({text})"
    return None


GENERATE = '''
    @torch.no_grad()
    def generate(self, tokens: Tensor, count: int, temperature: float = 1.0) -> Tensor:
        """Continue `tokens` [B, T] by `count` samples of what `forward` predicts."""
        for _ in range(count):
            logits = self({seen})[:, -1]
            chances = torch.softmax(logits / temperature, dim=-1)
            tokens = torch.cat([tokens, torch.multinomial(chances, 1)], dim=1)
        return tokens'''


# ---- initial weights -------------------------------------------------------------------------
def _initial(plan: Plan) -> str:
    reader = Reader(local_ratios=True)
    formulas = [t.numbers[n].formula for t in plan.tensors for n in ("init.mean", "init.std")]
    rows = rows_text(plan.tensors, partial(_spread, reader))
    return "\n".join([INITIAL, *ratios(plan, formulas), *rows])


def ratios(plan: Plan, formulas: Iterable[Formula]) -> list[str]:
    """Lines that give the ratios in some formulas the papers' names, `m_N`."""
    found = names(formulas, "ratio")
    dims = [d.name for d in plan.program.dimensions if d.name in found]
    return [f"    {line}" for n in dims for line in statement(f"m_{n} = config.m_{n}", 4)]


INITIAL = '''def initial(config: Config) -> list[dict]:
    """Mean and spread of every parameter at the start, by name; `*` is any layer."""'''


def _spread(reader: Reader, t: PlannedTensor) -> list[Entry]:
    mean, std = t.numbers["init.mean"], t.numbers["init.std"]
    uniform: list[Entry] = [("uniform", "True", ())] if t.init.word == "uniform" else []
    behind = () if std.origins == mean.origins else (std,)  # `init = ones` says both
    shared: list[Entry] = [("shared", "True", (t.shared,))] if t.shared and t.shared_axes else []
    return [("mean", reader.value(mean), (mean,)), ("std", reader.value(std), behind), *uniform, *shared]


CLAIM = '''WRAPPERS = (
    "module",
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
)


def pattern(name: str) -> str:
    """`blocks.3.mlp.up.weight` -> `blocks.*.mlp.up.weight`, without wrappers' words."""
    parts = [part for part in name.split(".") if part not in WRAPPERS]
    return ".".join("*" if part.isdigit() else part for part in parts)


def claim(rows: list[dict], model: nn.Module) -> list[tuple[nn.Parameter, dict]]:
    """Each parameter with the one row that names it; none or several are an error."""
    claimed = []
    for name, parameter in model.named_parameters():
        found = [row for row in rows for n in row["names"] if n == pattern(name)]
        if len(found) != 1:
            raise ValueError(f"parameter `{name}` is in {len(found)} rows, not in one")
        claimed.append((parameter, found[0]))
    return claimed'''


def _init_weights(plan: Plan) -> str:
    uniform = any(t.init.word == "uniform" for t in plan.tensors)
    draw = UNIFORM if uniform else NORMAL
    if any(t.shared_axes for t in plan.tensors):
        draw = "\n".join((SHARED, draw.replace("parameter.", "drawn."), COPIED))
    sparse = any(t.tensor.density != UNIT for t in plan.tensors)
    parts = [MASKS if sparse else "", BIASES if "bias" in balancing(plan) else ""]
    return INIT_WEIGHTS.format(draw=draw) + "".join(parts)


INIT_WEIGHTS = '''@torch.no_grad()
def init_weights(
    model: nn.Module,
    config: Config,
    generator: torch.Generator | None = None,
) -> None:
    """Draw every parameter anew, as the rule says; after `to_empty` too."""
    for parameter, row in claim(initial(config), model):
{draw}'''
NORMAL = """        parameter.normal_(row["mean"], row["std"], generator=generator)"""
UNIFORM = """        if row.get("uniform"):
            reach = math.sqrt(3) * row["std"]
            low, high = row["mean"] - reach, row["mean"] + reach
            parameter.uniform_(low, high, generator=generator)
        else:
            parameter.normal_(row["mean"], row["std"], generator=generator)"""
MASKS = """
    masks = torch.Generator().manual_seed(MASK_SEED)
    for module in model.modules():
        if hasattr(module, "draw_mask"):
            module.draw_mask(masks)"""

BIASES = """
    for module in model.modules():
        if hasattr(module, "rebalance"):
            module.load.zero_()
            module.balance_steps.zero_()"""

SHARED = """        drawn = parameter[0] if row.get("shared") else parameter"""
COPIED = """        if row.get("shared"):
            parameter[1:] = drawn"""


def _frozen(plan: Plan) -> list[str]:
    """The names of what training leaves alone, where there is such a thing."""
    names = [parameter_pattern(t.tensor) for t in plan.tensors if t.optimizer is None]
    if not names:
        return []
    comments = provenance(dict.fromkeys(o for t in plan.tensors for o in t.frozen.origins if not t.optimizer), LINE)
    return ["\n".join([*comments, "FROZEN = [", *(f'    "{name}",' for name in names), "]"])]


# ---- building --------------------------------------------------------------------------------
def _build(plan: Plan) -> str:
    stacks = [r.name for r in plan.program.regions if r.kind == "repeat"]
    if not stacks:
        parts = ["        model.compile()"]
    else:
        every = f"model.{stacks[0]}" if len(stacks) == 1 else f"[{', '.join(f'*model.{s}' for s in stacks)}]"
        parts = [f"        for block in {every}:", "            block.compile()"]
    freeze = "" if all(t.optimizer for t in plan.tensors) else FREEZE
    return "\n".join([BUILD.format(freeze=freeze), *parts, "    return model"])


FREEZE = """    for name, parameter in model.named_parameters():
        parameter.requires_grad_(pattern(name) not in FROZEN)
"""


BUILD = '''def build_model(
    config: Config,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    compile: bool = False,
    generator: torch.Generator | None = None,
) -> Model:
    """The network, with fresh weights unless it is on the meta device.

    `compile`: block by block.
    """
    device = torch.device(device or torch.get_default_device())
    with torch.device("meta"):
        model = Model(config).to(dtype or torch.get_default_dtype())
{freeze}    if device.type != "meta":
        model.to_empty(device=device)
        init_weights(model, config, generator)
    if compile:'''
