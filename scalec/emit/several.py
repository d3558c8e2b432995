"""Emitted code that steps several optimizers as one. Input: optimizers' classes. Output: Python text.

Invariant: what is built is a `torch.optim.Optimizer` whose groups and state are those of its parts, so that a
schedule, a checkpoint and a training loop see one optimizer.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from scalec.emit.batched import class_name
from scalec.plan.model import OptimizerClass

SKIP = """        if row.get("frozen"):
            continue
"""


def fixed(optimizer: OptimizerClass) -> dict[str, str]:
    """The arguments of an optimizer's class, as Python text; what is written out has them in it."""
    if optimizer.batched:
        return {}
    return {name: _argument(value) for name, value in optimizer.arguments}


def _argument(value: str | Fraction) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return str(value.numerator) if value.denominator == 1 else repr(float(value))


def several_text(optimizers: Mapping[str, OptimizerClass]) -> str:
    """The table of optimizers, and the class that holds them."""
    rows = [_row(name, class_name(optimizer), fixed(optimizer)) for name, optimizer in optimizers.items()]
    return "\n".join(["OPTIMIZERS = {", *rows, "}", SEVERAL.rstrip()])


def _row(name: str, path: str, arguments: Mapping[str, str]) -> str:
    if not arguments:
        return f'    "{name}": {path},'
    return "\n".join(
        [
            f'    "{name}": partial(',
            f"        {path},",
            *(f"        {key}={value}," for key, value in arguments.items()),
            "    ),",
        ]
    )


SEVERAL = '''

class Optimizers(torch.optim.Optimizer):
    """Several optimizers as one: their groups and their state are its own."""

    def __init__(self, parts: list[torch.optim.Optimizer]) -> None:
        self.parts = parts
        super().__init__([g for part in parts for g in part.param_groups], {})
        self.share()

    def share(self) -> None:
        """Hand each part its groups, and the one state."""
        groups = iter(self.param_groups)
        for part in self.parts:
            part.param_groups = [next(groups) for _ in part.param_groups]
            part.state = self.state

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict) -> None:
        super().load_state_dict(state_dict)
        self.share()
'''

BUILD_SEVERAL = '''
def build_optimizer(
    model: nn.Module,
    config: Config | None = None,
    lr: float | None = None,
    compile: bool = False,
) -> Optimizers:
    """The rule's optimizers as one, fused where a class can be, in the fewest groups.

    `compile`: compiled steps instead. Their learning rates are tensors, so that a
    schedule makes no new graph.
    """
    config = model.config if config is None else config
    groups = {name: {} for name in OPTIMIZERS}
    for parameter, row in claim(hyperparameters(config, Run(config, lr)), model):
        if row.get("frozen"):
            continue
        about = ("names", "optimizer")
        values = {key: value for key, value in row.items() if key not in about}
        new = {"params": [], **values, "rule_lr": values["lr"]}
        group = groups[row["optimizer"]].setdefault(tuple(values.items()), new)
        group["params"].append(parameter)
    owned = {name: list(own.values()) for name, own in groups.items() if own}
    parts = [build_part(name, own, compile) for name, own in owned.items()]
    return Optimizers(parts)


def build_part(name: str, groups: list[dict], compile: bool) -> torch.optim.Optimizer:
    kind = OPTIMIZERS[name]
    if not compile:
        known = inspect.signature(kind).parameters
        fused = {"fused": True} if "fused" in known else {}
        return kind(groups, **fused)
    for group in groups:
        group["lr"] = torch.tensor(group["lr"], dtype=torch.float64)
    part = kind(groups)
    part.step = types.MethodType(torch.compile(type(part).step), part)
    return part
'''
