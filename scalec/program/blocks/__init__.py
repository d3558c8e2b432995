"""What each block of the language means: options, tensors, sites, operations. One entry a block.

Adding a block is one function here with its `BlockSpec`, one transfer function for each operation
that is new (`calculus/`), one entry in the emitter's table (`emit/`).
"""

from __future__ import annotations

from collections.abc import Mapping

from scalec.program.blocks import (
    attention,
    composition,
    conditioning,
    ends,
    layers,
    mlp,
    modifiers,
    moe,
    streams,
    vision,
)
from scalec.program.specs import BlockSpec

GROUPS = (ends, layers, attention, mlp, moe, vision, conditioning, composition, streams, modifiers)
BLOCKS: Mapping[str, BlockSpec] = {spec.kind: spec for group in GROUPS for spec in group.SPECS}
