"""GPTs with what a network's modifiers and a rule's factors make of them, as functions of named weights.

An oracle: plain PyTorch written from the papers, with their factors typed as numbers. A weight is called as
the emitted model calls its parameter; nothing else is taken from there. Pre-norm blocks, learned positions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.reference.gpt import GptSizes

Weights = Mapping[str, Tensor]
Apply = Callable[[str, Tensor], Tensor]  # the weight of this name on a vector


def gpt(w: Weights, tokens: Tensor, sizes: GptSizes, logit_factor: float, apply: Apply) -> Tensor:
    """The usual GPT; `apply` is what stands for a matrix of a block."""
    x = w["embed.weight"][tokens] + w["position.weight"][: tokens.shape[1]]
    for layer in range(sizes.L):
        block = f"blocks.{layer}"
        x = x + attention(f"{block}.attention", norm(x, w[f"{block}.norm.weight"]), sizes.H, logit_factor, apply)
        h = apply(f"{block}.mlp.up", norm(x, w[f"{block}.norm2.weight"]))
        x = x + apply(f"{block}.mlp.down", F.gelu(h))
    return norm(x, w["norm.weight"]) @ w["readout.weight"].T


def norm(x: Tensor, gain: Tensor | float = 1.0) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return gain * centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()


def attention(name: str, x: Tensor, heads: int, logit_factor: float, apply: Apply) -> Tensor:
    q, k, v = (apply(f"{name}.{part}", x).unflatten(-1, (heads, -1)).transpose(1, 2) for part in "qkv")
    dots = logit_factor * q @ k.transpose(-1, -2)
    ahead = torch.ones(x.shape[1], x.shape[1]).triu(1).bool()
    y = dots.masked_fill(ahead, -torch.inf).softmax(-1) @ v
    return apply(f"{name}.o", y.transpose(1, 2).flatten(2))


def sparse_gpt(w: Weights, masks: Weights, tokens: Tensor, sizes: GptSizes, logit_factor: float) -> Tensor:
    """SuPar, arXiv:2405.15743: every matrix of a block is `W * mask`."""
    return gpt(w, tokens, sizes, logit_factor, lambda n, x: x @ (w[f"{n}.weight"] * masks[f"{n}.weight_mask"]).T)


def lora_gpt(w: Weights, tokens: Tensor, sizes: GptSizes, logit_factor: float, scale: float) -> Tensor:
    """LoRA, arXiv:2106.09685: queries and values are `W x + scale * B A x`."""

    def apply(name: str, x: Tensor) -> Tensor:
        out = x @ w[f"{name}.weight"].T
        if name.endswith((".q", ".v")):
            out = out + scale * (x @ w[f"{name}_lora_a.weight"].T) @ w[f"{name}_lora_b.weight"].T
        return out

    return gpt(w, tokens, sizes, logit_factor, apply)


def umup_gpt(w: Weights, tokens: Tensor, sizes: GptSizes, alpha_res: float, ratio: float) -> Tensor:
    """u-muP, arXiv:2407.17465: unit weights, 1/sqrt(fan_in) in front, norms without gains, branches by App. G."""
    a_mlp = alpha_res * sqrt(2 / (1 + ratio**2))
    a_attention = ratio * a_mlp

    def apply(name: str, x: Tensor) -> Tensor:
        return x @ w[f"{name}.weight"].T / sqrt(x.shape[-1])

    def add(x: Tensor, branch: Tensor, a: float, before: float) -> Tensor:
        tau = a / sqrt(before)
        return tau / sqrt(1 + tau**2) * branch + 1 / sqrt(1 + tau**2) * x

    x = w["embed.weight"][tokens] + w["position.weight"][: tokens.shape[1]]
    for i in range(2 * sizes.L):  # sublayers: attention, MLP, attention, ...
        block = f"blocks.{i // 2}"
        attentions, mlps = (i + 1) // 2, i // 2
        before = sizes.L + attentions * a_attention**2 + mlps * a_mlp**2
        if i % 2 == 0:
            branch = attention(f"{block}.attention", norm(x), sizes.H, 1 / sizes.head_dim, apply)
            x = add(x, branch, a_attention, before)
        else:
            branch = apply(f"{block}.mlp.down", F.gelu(apply(f"{block}.mlp.up", norm(x))))
            x = add(x, branch, a_mlp, before)
    return norm(x) @ w["readout.weight"].T / sizes.N
