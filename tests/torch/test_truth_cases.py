"""Every block of the language has a case of `bench/truth.py`, where training is held against the calculus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from bench.truth import GROUPS, RULES, Case
from scalec.program.blocks import BLOCKS
from scalec.resolve.load import Workspace, load
from scalec.syntax import nodes

pytestmark = pytest.mark.torch
SAID = {"attention": ("kv_heads", "causal", "qk_norm", "rope", "context", "bias"), "readout": ("tied",)}
WORDS = ("swiglu", "rms")  # of `mlp` and `norm`


def _words(cases: Iterable[Case]) -> set[str]:
    """Kinds of the blocks of the cases' networks, and the words and flags that they are given."""
    networks = {(case.file, case.network) for case in cases}
    return {word for file, name in networks for word in _of(load(RULES / f"{file}.scale"), name)}


def _of(workspace: Workspace, network: str) -> Iterator[str]:
    (found,) = workspace.candidates("network", workspace.main)[network]
    assert isinstance(found.declaration, nodes.NetworkDecl)
    yield from _inside(found.declaration.items)


def _inside(node: object) -> Iterator[str]:
    match node:
        case tuple():
            yield from (word for one in node for word in _inside(one))
        case nodes.Block():
            yield node.kind
            yield from _inside((*node.arguments, *(node.body or ())))
        case nodes.Let():
            yield "let"
            yield from _inside(node.body)
        case nodes.Argument():
            yield node.name or ""
            yield from _inside(node.value)
        case nodes.Name():
            yield node.text


def test_every_block_is_measured() -> None:
    said = _words(case for group in GROUPS.values() for case in group.cases())
    assert set(BLOCKS) - said == set()
    assert {word for options in SAID.values() for word in options} - said == set()
    assert set(WORDS) - said == set()


def test_a_block_that_is_not_is_noticed() -> None:
    assert "conv" not in _words([Case("width", "tiny_gpt", "mup_width", "adam", "N", (64,))])
