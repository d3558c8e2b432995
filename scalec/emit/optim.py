"""Text of the emitted `optim.py`. Input: a plan. Output: Python that imports torch and the emitted model.

Invariant: nothing here knows an optimizer; its class, its arguments and the attributes it takes come
from the plan. Learning rates are the run's times a ratio, so that a schedule moves all by one factor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

from scalec.emit.batched import batched_text, class_name
from scalec.emit.code import Reader, attribute_name
from scalec.emit.model import ratios
from scalec.emit.modules import statement
from scalec.emit.names import LINE, MAX_TITLE, Stamp, comment, provenance
from scalec.emit.rows import Entry, rows_text
from scalec.emit.several import BUILD_SEVERAL, SKIP, fixed, several_text
from scalec.plan.model import Choice, Plan, PlannedTensor, Quantity
from scalec.symbolic.formula import symbols

# The keyword of torch.optim for each attribute of the language; two may make one pair.
KEYWORDS: dict[str, tuple[str, ...]] = {
    "lr": ("lr",),
    "eps": ("eps",),
    "weight_decay": ("wd",),
    "betas": ("beta1", "beta2"),
    "momentum": ("momentum",),
}


def optim_text(plan: Plan, stamp: Stamp) -> str:
    """`optim.py` of a plan."""
    written = [batched_text(o, apart=_apart(plan, o.name)) for o in plan.optimizers.values() if o.batched]
    several = len(plan.optimizers) > 1
    chosen = several_text(plan.optimizers) if several else f"OPTIMIZER = {class_name(*plan.optimizers.values())}"
    beside = [] if written or several else ["", chosen]  # one line stands beside the imports
    first = [*written, *([] if beside else [chosen])]
    body = "\n\n\n".join([*first, _run(plan), _table(plan), _build(plan), _schedule(plan), CHECK.strip()])
    return "\n".join([_header(plan, stamp, body), *beside, "", "", body, ""])


def _apart(plan: Plan, optimizer: str) -> bool:
    """Whether an optimizer takes some weight apart."""
    return any(t.parts and t.optimizer == optimizer for t in plan.tensors)


def _header(plan: Plan, stamp: Stamp, body: str) -> str:
    base = sorted(set(re.findall(r"\bBASE_\w+", body)))
    return HEADER.format(
        network=comment(plan.program.name, MAX_TITLE),
        rule=comment(plan.rule, MAX_TITLE),
        version=stamp.version,
        standard="\n".join(line for line, used in STANDARD.items() if used in body),
        tensor="Tensor, nn" if "p: Tensor" in body else "nn",
        imports=_imports([*base, "Config", "claim", *(["whole"] if "whole(" in body else [])]),
    )


def _imports(names: list[str]) -> str:
    line = f"from model import {', '.join(names)}  # isort: skip"
    if len(line) <= LINE:
        return line
    return "\n".join(["from model import (  # isort: skip", *(f"    {name}," for name in names), ")"])


STANDARD = {  # what is imported, and by what one sees that it is needed
    "import inspect": "inspect.",
    "import math": "math.",
    "import types": "types.",
    "import warnings": "warnings.",
    "from collections.abc import Callable": "Callable[",
    "from functools import partial": "partial(",
}
HEADER = '''"""Optimizer of network `{network}` under rule `{rule}`.

Written by scalec {version}. `hyperparameters` is the rule's table: formulas over the sizes
and the run, by parameter name.
"""

from __future__ import annotations

{standard}

import torch
from torch import {tensor}
from torch.optim.lr_scheduler import LambdaLR

{imports}'''


# ---- the run ---------------------------------------------------------------------------------
def _run(plan: Plan) -> str:
    """What no single parameter owns: each value as an attribute, after those that it reads."""
    reader = Reader(run="self")
    first, *others = (plan.run_name(owner, "lr") for owner in plan.optimizers)
    lines = [RUN_OF_SEVERAL.format(first=attribute_name(first)) if others else RUN]
    for name, quantity in _by_need(plan.run).items():
        value = reader.value(quantity)
        lines += [f"        {line}" for line in provenance(quantity.origins, LINE - 8)]
        if name == first:
            value += " if lr is None else lr"
        elif name in others:
            value = f"{_factor(value)} * (1.0 if lr is None else lr / {_factor(reader.value(plan.rate))})"
        lines += [f"        {line}" for line in statement(f"self.{attribute_name(name)} = {value}", 8)]
    return "\n".join(lines)


RUN = '''class Run:
    """What no single parameter owns; `lr` stands in for the rule's own."""

    def __init__(self, config: Config, lr: float | None = None) -> None:'''


RUN_OF_SEVERAL = '''class Run:
    """What no single parameter owns.

    `lr` stands in for the rule's `{first}`; the other rates keep their ratios to it.
    """

    def __init__(self, config: Config, lr: float | None = None) -> None:'''


def _factor(text: str) -> str:
    return f"({text})" if " " in text else text


def _by_need(run: Mapping[str, Quantity | Choice]) -> dict[str, Quantity]:
    left = {name: q for name, q in run.items() if isinstance(q, Quantity)}
    done: dict[str, Quantity] = {}
    while left:
        ready = [n for n, q in left.items() if not {s.name for s in symbols(q.formula) if s.kind == "run"} & set(left)]
        assert ready, "a run quantity reads itself"
        done |= {n: left.pop(n) for n in ready}
    return done


# ---- the table -------------------------------------------------------------------------------
def _table(plan: Plan) -> str:
    formulas = [q.formula for t in plan.tensors for n, q in t.numbers.items() if n in _uses(plan, t)]
    rows = rows_text(plan.tensors, partial(_entries, Reader(local_ratios=True), plan))
    return "\n".join([TABLE, *ratios(plan, formulas), *rows])


def _uses(plan: Plan, t: PlannedTensor) -> tuple[str, ...]:
    return plan.optimizers[t.optimizer].uses if t.optimizer else ()


TABLE = '''def hyperparameters(config: Config, run: Run) -> list[dict]:
    """What the rule gives each parameter, by name; `*` is any layer."""'''


SIDES = ("fan_out", "fan_in")  # of a matrix as it is stored


def _entries(reader: Reader, plan: Plan, t: PlannedTensor) -> list[Entry]:
    if t.optimizer is None:
        return [("frozen", "True", ())]
    found: list[Entry] = [("optimizer", f'"{t.optimizer}"', ())] if len(plan.optimizers) > 1 else []
    for keyword, attributes in KEYWORDS.items():
        if not set(attributes) <= set(_uses(plan, t)):
            continue
        quantities = tuple(t.numbers[a] for a in attributes)
        values = [reader.value(q) for q in quantities]
        found.append((keyword, values[0] if len(values) == 1 else f"({', '.join(values)})", quantities))
    if t.parts:
        found.append(("split", f"({SIDES.index(t.parts.side)}, {reader.size(t.parts.count)})", (t.split,)))
    return found


# ---- building and stepping -------------------------------------------------------------------
def _build(plan: Plan) -> str:
    skip = "" if all(t.optimizer for t in plan.tensors) else SKIP
    if len(plan.optimizers) > 1:
        return BUILD_SEVERAL.strip().replace(SKIP, skip)
    (optimizer,) = plan.optimizers.values()
    arguments = "".join(f", {name}={value}" for name, value in fixed(optimizer).items())
    return BUILD.strip().replace(", **fixed", arguments).replace(SKIP, skip)


BUILD = '''
def build_optimizer(
    model: nn.Module,
    config: Config | None = None,
    lr: float | None = None,
    compile: bool = False,
) -> torch.optim.Optimizer:
    """The rule's optimizer, fused where its class can be, in the fewest groups.

    `compile`: a compiled step instead. Its learning rates are tensors, so that a
    schedule makes no new graph.
    """
    config = model.config if config is None else config
    groups = {}
    for parameter, row in claim(hyperparameters(config, Run(config, lr)), model):
        if row.get("frozen"):
            continue
        values = {key: value for key, value in row.items() if key != "names"}
        new = {"params": [], **values, "rule_lr": values["lr"]}
        group = groups.setdefault(tuple(values.items()), new)
        group["params"].append(parameter)
    if not compile:
        known = inspect.signature(OPTIMIZER).parameters
        fused = {"fused": True} if "fused" in known else {}
        return OPTIMIZER(list(groups.values()), **fixed, **fused)
    for group in groups.values():
        group["lr"] = torch.tensor(group["lr"], dtype=torch.float64)
    optimizer = OPTIMIZER(list(groups.values()), **fixed)
    optimizer.step = types.MethodType(torch.compile(OPTIMIZER.step), optimizer)
    return optimizer
'''


# ---- the schedule ----------------------------------------------------------------------------
def _schedule(plan: Plan) -> str:
    """One factor for all groups: linear warmup, then what the rule's `schedule` says."""
    word = plan.run.get("schedule")
    shape = SHAPES[word.word if isinstance(word, Choice) and word.word else "constant"]
    warmup = WARMUP if "warmup" in plan.run else ""
    first = attribute_name(plan.rate_name)
    final = f"run.final_lr / run.{first}" if "final_lr" in plan.run else "0.0"
    about = ", then ".join(([WARMUP_DOC] if warmup else []) + [shape.doc])
    past, left = ("(step - run.warmup)", "(steps - run.warmup)") if warmup else ("step", "steps")
    head = SCHEDULE.format(about=about[0].upper() + about[1:])
    final_line = f"    final = {final}\n" if "final" in shape.text else ""
    done = f"        done = min(1.0, {past} / max(1, {left.strip('()')}))\n" if "done" in shape.text else ""
    factor = f"    def factor(step: int) -> float:\n{warmup}{done}        return {shape.text}\n"
    return f"{head}{final_line}\n{factor}\n    return LambdaLR(optimizer, factor)"


class Shape:
    """How a schedule runs from 1 to `final` as `done` goes from 0 to 1."""

    def __init__(self, doc: str, text: str) -> None:
        self.doc = doc
        self.text = text


SHAPES = {
    "constant": Shape("constant", "1.0"),
    "linear": Shape("linear to the final rate", "1 + (final - 1) * done"),
    "cosine": Shape("a half cosine to the final rate", "final + (1 - final) * (1 + math.cos(math.pi * done)) / 2"),
}
WARMUP_DOC = "linear over the first `warmup` steps"
WARMUP = """        if step < run.warmup:
            return (step + 1) / run.warmup
"""
SCHEDULE = '''def build_schedule(
    optimizer: torch.optim.Optimizer,
    steps: int,
    run: Run | None = None,
) -> LambdaLR:
    """{about}.

    One factor for all groups: the ratios between them are the rule's.
    """
    run = Run(Config()) if run is None else run
'''

CHECK = '''
def check_ratios(optimizer: torch.optim.Optimizer) -> None:
    """Warn where something has set learning rates one by one, against the rule."""
    moving = [group for group in optimizer.param_groups if group["rule_lr"]]
    factors = [float(group["lr"]) / group["rule_lr"] for group in moving]
    if factors and max(factors) > min(factors) * (1 + 1e-6):
        warnings.warn("the learning rates have lost the rule's ratios", stacklevel=2)
'''
