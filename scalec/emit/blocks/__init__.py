"""How each block of the language is written in PyTorch. One entry a block; compositions recurse.

An emitter gets the module being written, the block's region and the expression of its input, and
gives the expression of its output; what it needs besides it leaves in the module.
"""

from __future__ import annotations

from scalec.emit.blocks import attention, composition, conditioning, ends, layers, mlp, moe, streams, vision
from scalec.emit.blocks.sequence import EMITTERS, emit_sequence

for group in (ends, layers, attention, mlp, moe, vision, conditioning, composition, streams):
    EMITTERS |= group.EMITTERS

__all__ = ["EMITTERS", "emit_sequence"]
