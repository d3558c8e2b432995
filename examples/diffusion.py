"""A diffusion transformer on Fashion-MNIST: `python -m examples.diffusion --out samples.pgm`.

Compiles `dit.scale`, trains what was compiled, and draws an image of each class. The network predicts how a
mixture of image and noise moves as the share of noise grows; drawing follows that motion back from pure noise.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from examples.images import fashion
from scalec import compile_to, load

TIMES = 1000  # the last time: pure noise


def compiled(folder: Path, width: int, depth: int) -> tuple[ModuleType, ModuleType]:
    """The emitted `model` and `optim`, imported from `folder`."""
    rules = load(Path(__file__).with_name("dit.scale"))
    compile_to(folder, rules, at={"N": width, "L": depth})
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("model"), importlib.import_module("optim")
    finally:
        sys.path.remove(str(folder))
        for name in ("model", "optim"):  # the next folder has its own
            sys.modules.pop(name, None)


def loss_of(model: nn.Module, images: Tensor, labels: Tensor, patch: int, generator: torch.Generator) -> Tensor:
    """How far the predicted motion of the mixtures is from their own, in squares per pixel."""
    noise = torch.randn(images.shape, generator=generator)
    share = torch.rand(len(images), generator=generator)
    mixtures = torch.lerp(images, noise, share[:, None, None, None])
    predicted = model(mixtures, TIMES * share, labels)
    return F.mse_loss(predicted, F.unfold(noise - images, patch, stride=patch).transpose(1, 2))


@torch.no_grad()
def sample(model: nn.Module, labels: Tensor, config: object, steps: int, generator: torch.Generator) -> Tensor:
    """An image for each of `labels`: `steps` equal steps from noise back to no noise."""
    x = torch.randn(len(labels), config.C, config.S, config.S, generator=generator)
    for step in range(steps, 0, -1):
        motion = model(x, torch.full((len(labels),), TIMES * step / steps), labels)
        x = x - F.fold(motion.transpose(1, 2), config.S, config.P, stride=config.P) / steps
    return x


def write_image(images: Tensor, file: Path) -> None:
    """Images `[n, 1, height, width]` from -1 to 1 side by side, as a PGM file of greys."""
    greys = ((images.clamp(-1, 1) + 1) * 127.5).round().byte()
    row = torch.cat(list(greys[:, 0]), dim=1)
    header = f"P5 {row.size(1)} {row.size(0)} 255\n"
    file.write_bytes(header.encode() + bytes(row.flatten().tolist()))


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("samples.pgm"))
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(words)
    torch.manual_seed(args.seed)
    generator = torch.Generator().manual_seed(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        model_file, optim_file = compiled(Path(folder), args.width, args.depth)
    config = model_file.Config()
    model = model_file.build_model(config)
    optimizer = optim_file.build_optimizer(model)
    schedule = optim_file.build_schedule(optimizer, args.steps)
    images, labels = fashion("train")
    for step in range(1, args.steps + 1):
        rows = torch.randint(len(images), (args.batch,), generator=generator)
        loss = loss_of(model, images[rows], labels[rows], config.P, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 10 == 0:
            print(f"step {step}  loss {loss.item():.4f}", flush=True)
    write_image(sample(model, torch.arange(config.Classes), config, 50, generator), args.out)
    print(f"an image of each class: {args.out}")


if __name__ == "__main__":
    main()
