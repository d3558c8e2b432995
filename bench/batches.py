"""What the networks of `bench.truth` are trained on. Input: sizes, a seed. Output: a `Batch`, the same for the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction

import torch

from scalec.program.program import Program
from scalec.torch.measure import Batch

Source = Callable[[Mapping[str, Fraction], int], Batch]
SAMPLES = 32  # vectors in a batch
SEQUENCES = 4
IMAGES = 16


def batch_of(network: str, program: Program) -> Source:
    """What a network reads: tokens, if it has a vocabulary, else vectors, unless `DATA` has something else for it."""
    return DATA.get(network) or (token_batch if "V" in program.dimension else vector_batch)


def vector_batch(sizes: Mapping[str, Fraction], seed: int) -> Batch:
    """Normal inputs, random labels."""
    generator = torch.Generator().manual_seed(1000 + seed)
    x = torch.randn(SAMPLES, int(sizes["D"]), generator=generator, dtype=torch.float64)
    return Batch(x, torch.randint(int(sizes["C"]), (SAMPLES,), generator=generator))


def token_batch(sizes: Mapping[str, Fraction], seed: int) -> Batch:
    """Random tokens, each followed by the next."""
    generator = torch.Generator().manual_seed(1000 + seed)
    tokens = torch.randint(int(sizes["V"]), (SEQUENCES, int(sizes["T"]) + 1), generator=generator)
    return Batch(tokens[:, :-1], tokens[:, 1:])


def guided_batch(sizes: Mapping[str, Fraction], seed: int) -> Batch:
    """Normal images, each with a time and a class of its own, random labels."""
    generator = torch.Generator().manual_seed(1000 + seed)
    batch = image_batch(sizes, seed)
    times = 1000 * torch.rand(len(batch.x), generator=generator, dtype=torch.float64)
    return replace(batch, beside=(times, torch.randint(int(sizes["C"]), (len(batch.x),), generator=generator)))


def image_batch(sizes: Mapping[str, Fraction], seed: int) -> Batch:
    generator = torch.Generator().manual_seed(1000 + seed)
    side = int(sizes["S"])
    x = torch.randn(IMAGES, 3, side, side, generator=generator, dtype=torch.float64)
    return Batch(x, torch.randint(int(sizes["C"]), (IMAGES,), generator=generator))


def translated_batch(sizes: Mapping[str, Fraction], seed: int) -> Batch:
    """Random tokens, and others beside them."""
    return replace(token_batch(sizes, seed), beside=(token_batch(sizes, seed + 500).x,))


def few_vectors(sizes: Mapping[str, Fraction], seed: int) -> Batch:
    """Half as many: the part of a change that samples have in common shows sooner."""
    batch = vector_batch(sizes, seed)
    return Batch(batch.x[: SAMPLES // 2], batch.y[: SAMPLES // 2])


DATA: Mapping[str, Source] = {
    "lora_mlp": few_vectors,
    "sparse_mlp": few_vectors,
    "lora_moe": few_vectors,
    "sparse_moe": few_vectors,
    "lora_conv": image_batch,
    "sparse_conv": image_batch,
    "soft_moe": few_vectors,
    "half_moe": few_vectors,
    "tiny_dit": guided_batch,
    "tiny_conv": image_batch,
    "tiny_translator": translated_batch,
}
