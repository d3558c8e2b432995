"""`manifest.json`: what was emitted, from what, with every value. Input: a plan at a size. Output: JSON.

Invariant: it says nothing of when and where, so the same inputs give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from scalec.emit.document import PlanDocument, plan_document
from scalec.emit.names import Stamp
from scalec.plan.model import Plan
from scalec.plan.select import parameter_pattern

TORCH = ">=2.6"  # what emitted code needs


class Manifest(BaseModel):
    """`parameters` maps the parameter names of the emitted network, `*` for any layer, to the plan's tensors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_: Literal["scalec.manifest/1"] = Field(default="scalec.manifest/1", alias="schema")
    rule: str
    network: str
    optimizer: str
    scalec: str
    torch: str
    inputs_hash: str
    base: dict[str, int | float]
    sizes: dict[str, int | float]
    parameters: dict[str, str]
    plan: PlanDocument


def manifest_text(plan: Plan, sizes: Mapping[str, Fraction], stamp: Stamp) -> str:
    """`manifest.json` of a plan at one size of all dimensions."""
    document = plan_document(plan, sizes)
    manifest = Manifest(
        rule=plan.rule,
        network=plan.program.name,
        optimizer=" ".join(plan.optimizers),
        scalec=stamp.version,
        torch=TORCH,
        inputs_hash=stamp.inputs_hash,
        base=document.subject.base,
        sizes=document.subject.sizes,
        parameters={parameter_pattern(t.tensor): t.tensor.path for t in plan.tensors},
        plan=document,
    )
    return manifest.model_dump_json(indent=2, by_alias=True) + "\n"
