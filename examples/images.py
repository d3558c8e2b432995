"""Fashion-MNIST: greys of 28 x 28 pixels in ten classes, from the Debian package `dataset-fashion-mnist`.

Input: which part. Output: images `[n, 1, 28, 28]` from -1 to 1 and their classes `[n]`. The package's files are
looked for where it is installed and in `.cache/fashion`, where `make` unpacks it.
"""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

CACHE = Path(__file__).parents[1] / ".cache" / "fashion"
PLACES = [Path("/"), CACHE]
FOLDER = "usr/share/datasets/fashion-mnist"
Part = Literal["train", "test"]
FILES: dict[Part, str] = {"train": "train", "test": "t10k"}


@cache
def fashion(part: Part) -> tuple[Tensor, Tensor]:
    """Raises FileNotFoundError where the package is not installed."""
    images = idx(f"{FILES[part]}-images-idx3-ubyte.gz")
    labels = idx(f"{FILES[part]}-labels-idx1-ubyte.gz")
    return images.unsqueeze(1).float() / 127.5 - 1, labels.long()


def idx(name: str) -> Tensor:
    """A file of the MNIST family: two zeros, a type, the number of sides, the sides, bytes."""
    found = [path for place in PLACES if (path := place / FOLDER / name).exists()]
    if not found:
        raise FileNotFoundError(f"{name}: install the Debian package dataset-fashion-mnist")
    content = bytearray(gzip.decompress(found[0].read_bytes()))
    sides = [int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(content[3])]
    return torch.frombuffer(content, dtype=torch.uint8, offset=4 + 4 * len(sides)).view(sides)
