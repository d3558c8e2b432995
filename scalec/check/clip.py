"""A clip that moves otherwise than the norm of the gradient acts on ever more steps, or on none. Never a failure."""

from __future__ import annotations

from collections.abc import Iterator

from scalec import catalogue as codes
from scalec.check.evidence import Claim, Evidence
from scalec.check.goal import Goal

NAME = "gradient norm"


def _claims(evidence: Evidence) -> Iterator[Claim]:
    norm, clip = evidence.norm(evidence.limit), evidence.training.world.clip
    if norm is not None and clip is not None:
        note = f"`clip` is of order `{clip}`, what it takes away from a step depends on sizes"
        yield Claim(NAME, "", "clip", evidence.limit.index, norm / clip, bound="exactly", shown=norm, notes=(note,))


WARNING = Goal("clip", codes.CLIP, _claims, "limit")
