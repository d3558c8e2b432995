"""Text of the emitted `train.py`. Input: a plan. Output: a small script over the emitted model and optimizer.

Three kinds of networks, three ways to read data: tokens are the bytes of a file, vectors and images a tensor
file; a network with further inputs gets a tensor for each, and its targets say what the loss is.
"""

from __future__ import annotations

from string import Template

from scalec.diagnostics import Reporter
from scalec.emit.code import Reader, size_text
from scalec.emit.model import balancing, context_of, reads_tokens
from scalec.emit.names import MAX_TITLE, Stamp, comment, inputs, walk
from scalec.plan.model import Plan, Quantity
from scalec.symbolic.formula import Formula

BALANCED = {"loss": "balance_loss", "bias": "rebalance"}
BATCH = 16  # sequences in a step, where no rule says
LONGEST = 128  # positions in a sequence, where the network itself sets no limit


def train_text(plan: Plan, stamp: Stamp, reporter: Reporter) -> str:
    """`train.py` of a plan: clip, warmup and schedule as its `run` says."""
    further = inputs(plan.program)
    tokens = reads_tokens(plan) and not further
    parts = {
        "network": comment(plan.program.name, MAX_TITLE),
        "rule": comment(plan.rule, MAX_TITLE),
        "version": stamp.version,
        "about_data": ABOUT_TEXT if tokens else ABOUT_TENSORS,
        "file": "a text" if tokens else "saved {x, y} tensors",
        "data": _tokens(plan, reporter) if tokens else TENSORS,
        "loss": ONE_INPUT,
        "place": "x.to(args.device)",
        "steps": "max(1, round(run.steps))" if isinstance(plan.run.get("steps"), Quantity) else "200",
        "batch": _batch(plan, tokens),
        "about_batch": f"{'sequences' if tokens else 'rows'} a step; default: the rule's, or {BATCH}",
        "clip": CLIP if "clip" in plan.run else "",
    }
    balanced = balancing(plan)
    parts |= {
        "imports": "".join(f", {BALANCED[word]}" for word in sorted(balanced)),
        "backward": f"{'(loss + balance_loss(model))' if 'loss' in balanced else 'loss'}.backward()",
        "rebalance": "        rebalance(model)\n" if "bias" in balanced else "",
    }
    if further:
        parts |= _of_several((("tokens" if reads_tokens(plan) else "x"), *further))
    return Template(TRAIN).substitute(parts).lstrip()


def _batch(plan: Plan, tokens: bool) -> str:
    """Sequences of a step: the rule's `batch` counts positions, as `tokens` does."""
    known = "run.batch" if "batch" in plan.run else "config.batch" if "batch" in plan.program.dimension else ""
    return f"max(1, round({known}{' / data.context' if tokens else ''}))" if known else str(BATCH)


def _of_several(names: tuple[str, ...]) -> dict[str, str]:
    """What differs where `forward` takes several arguments."""
    listed = ", ".join(names)
    return {
        "about_data": Template(ABOUT_SEVERAL).substitute(names=listed),
        "file": "saved tensors",
        "data": Template(SEVERAL).substitute(names=", ".join(f'"{name}"' for name in names)),
        "loss": SEVERAL_INPUTS,
        "place": "moved(x, args.device)",
    }


def _tokens(plan: Plan, reporter: Reporter) -> str:
    reader = Reader()
    context = context_of(plan, reader, reporter) or str(LONGEST)
    vocabulary = next(r.option("vocabulary") for r in walk(plan.program.regions) if r.kind == "embed")
    assert isinstance(vocabulary, Formula)
    return Template(TOKENS).substitute(context=context, vocabulary=size_text(reader, vocabulary, reporter))


ABOUT_TEXT = "Bytes of the text are tokens; its last tenth is for validation."
ABOUT_SEVERAL = """The file is a saved {$names, y},
a row for each sample. `y` is classes, or what the output is to come close to;
`Data.batch` is the place to draw either anew."""
ABOUT_TENSORS = "The file is a saved {x: [n, D], y: [n] classes};\nits last tenth is for validation."

TOKENS = '''
class Data:
    """Sequences of bytes, each with the same sequence one further as its targets."""

    def __init__(self, file: Path, config: Config) -> None:
        tokens = torch.frombuffer(bytearray(file.read_bytes()), dtype=torch.uint8)
        if int(tokens.max()) >= $vocabulary:
            raise SystemExit(f"{file}: bytes go beyond a vocabulary of {$vocabulary}")
        self.context = $context
        split = len(tokens) * 9 // 10
        self.train, self.held_out = tokens[:split], tokens[split:]
        if len(self.held_out) <= self.context:
            raise SystemExit(f"{file}: too short for sequences of {self.context}")

    def batch(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        last = len(self.train) - self.context
        starts = torch.randint(last, (size,), generator=generator)
        return self.sequences(self.train, starts)

    def validation(self, count: int) -> tuple[Tensor, Tensor]:
        """The same `count` sequences in every run, spread over the held-out part."""
        starts = torch.arange(count) * (len(self.held_out) - self.context) // count
        return self.sequences(self.held_out, starts)

    def sequences(self, tokens: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
        windows = tokens[starts[:, None] + torch.arange(self.context + 1)].long()
        return windows[:, :-1], windows[:, 1:]
'''

TENSORS = '''
class Data:
    """Vectors and the index of each one's class."""

    def __init__(self, file: Path, config: Config) -> None:
        stored = torch.load(file, weights_only=True)
        x, y = stored["x"].float(), stored["y"].long()
        split = len(x) * 9 // 10
        self.train, self.held_out = (x[:split], y[:split]), (x[split:], y[split:])

    def batch(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(self.train[0]), (size,), generator=generator)
        return self.train[0][rows], self.train[1][rows]

    def validation(self, count: int) -> tuple[Tensor, Tensor]:
        """The first `count` held-out rows, the same in every run."""
        return self.held_out[0][:count], self.held_out[1][:count]
'''

SEVERAL = '''
INPUTS = ($names)
Batch = tuple[list[Tensor], Tensor]


class Data:
    """What `forward` takes, row by row, and the targets."""

    def __init__(self, file: Path, config: Config) -> None:
        stored = torch.load(file, weights_only=True)
        self.inputs, self.y = [stored[name] for name in INPUTS], stored["y"]
        self.split = len(self.y) * 9 // 10

    def batch(self, size: int, generator: torch.Generator) -> Batch:
        return self.rows(torch.randint(self.split, (size,), generator=generator))

    def validation(self, count: int) -> Batch:
        """The first `count` held-out rows, the same in every run."""
        last = min(self.split + count, len(self.y))
        return self.rows(torch.arange(self.split, last))

    def rows(self, index: Tensor) -> Batch:
        return [a[index] for a in self.inputs], self.y[index]
'''

ONE_INPUT = '''
def loss_of(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(model(x).flatten(0, -2), y.flatten())


@torch.no_grad()
def evaluate(model: nn.Module, x: Tensor, y: Tensor, batch: int) -> float:
    """Mean loss over all of `x`, a batch at a time."""
    model.eval()
    batches = zip(x.split(batch), y.split(batch), strict=True)
    total = sum(loss_of(model, a, b).item() * len(a) for a, b in batches)
    model.train()
    return total / len(x)
'''

SEVERAL_INPUTS = '''
def moved(x: list[Tensor], device: str) -> list[Tensor]:
    return [a.to(device) for a in x]


def loss_of(model: nn.Module, x: list[Tensor], y: Tensor) -> Tensor:
    """Squares of what is missing to real targets, cross-entropy of classes."""
    predicted = model(*x)
    if y.is_floating_point():
        return F.mse_loss(predicted, y)
    return F.cross_entropy(predicted.flatten(0, -2), y.flatten())


@torch.no_grad()
def evaluate(model: nn.Module, x: list[Tensor], y: Tensor, batch: int) -> float:
    """Mean loss over all of `x`, a batch at a time."""
    model.eval()
    inputs = zip(*(a.split(batch) for a in x), strict=True)
    batches = zip(inputs, y.split(batch), strict=True)
    total = sum(loss_of(model, a, b).item() * len(b) for a, b in batches)
    model.train()
    return total / len(y)
'''

CLIP = "        torch.nn.utils.clip_grad_norm_(model.parameters(), run.clip)\n"

TRAIN = '''
"""Train network `$network` under rule `$rule`: `python train.py --data FILE`.

Written by scalec $version. $about_data
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model import PLAN_HASH, Config, build_model${imports}  # isort: skip
from optim import (  # isort: skip
    Run,
    build_optimizer,
    build_schedule,
    check_ratios,
)

LOG_EVERY = 10

$data
$loss

def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    config = Config()
    run = Run(config, args.lr)
    steps = args.steps or $steps
    data = Data(args.data, config)
    batch = args.batch or $batch
    model = build_model(config, args.device, compile=args.compile)
    optimizer = build_optimizer(model, config, args.lr, compile=args.compile)
    schedule = build_schedule(optimizer, steps, run)
    order = torch.Generator().manual_seed(args.seed)
    for step in range(1, steps + 1):
        x, y = data.batch(batch, order)
        loss = loss_of(model, $place, y.to(args.device))
        $backward
${clip}        optimizer.step()
${rebalance}        schedule.step()
        optimizer.zero_grad()
        if step % LOG_EVERY == 0 or step == steps:
            check_ratios(optimizer)
            report(args, step=step, loss=loss.item())
    x, y = data.validation(args.eval_sequences)
    val_loss = evaluate(model, $place, y.to(args.device), batch)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        checkpoint = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "config": asdict(config),
            "plan_hash": PLAN_HASH,
        }
        torch.save(checkpoint, args.out / "checkpoint.pt")
    report(args, steps=steps, val_loss=val_loss)


def report(args: argparse.Namespace, **values: float) -> None:
    """A line of JSON for programs, of words for people."""
    if args.log == "jsonl":
        print(json.dumps(values), flush=True)
    else:
        words = (f"{name} {value:.6g}" for name, value in values.items())
        print("  ".join(words), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the emitted network.")
    parser.add_argument("--data", type=Path, required=True, help="$file")
    parser.add_argument("--out", type=Path, help="folder for the checkpoint")
    parser.add_argument("--steps", type=int, help="default: the rule's, or 200")
    about_batch = "$about_batch"
    parser.add_argument("--batch", type=int, help=about_batch)
    parser.add_argument("--lr", type=float, help="default: the rule's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--eval-sequences", type=int, default=64, help="to validate on")
    parser.add_argument("--threads", type=int, help="that torch may use")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--log", choices=["text", "jsonl"], default="text")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    train(args)


if __name__ == "__main__":
    main()
'''
