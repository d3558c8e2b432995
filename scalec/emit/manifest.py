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
from scalec.program.program import Tensor

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
    layouts: dict[str, list[str]] = Field(description="what each side of a parameter counts")
    plan: PlanDocument


def layout(tensor: Tensor) -> list[str]:
    """The sides of the stored parameter, copies in it first."""
    stacked = [axis.word for axis in tensor.axes if axis.name in tensor.storage.stacked]
    return [*stacked, *tensor.storage.layout.split("_")]


def manifest_text(plan: Plan, sizes: Mapping[str, Fraction], stamp: Stamp) -> str:
    """`manifest.json` of a plan at one size of all dimensions."""
    document = plan_document(plan, sizes)
    manifest = Manifest(
        rule=plan.rule,
        network=plan.program.name,
        optimizer=" + ".join(plan.optimizers),
        scalec=stamp.version,
        torch=TORCH,
        inputs_hash=stamp.inputs_hash,
        base=document.subject.base,
        sizes=document.subject.sizes,
        parameters={parameter_pattern(t.tensor): t.tensor.path for t in plan.tensors},
        layouts={parameter_pattern(t.tensor): layout(t.tensor) for t in plan.tensors},
        plan=document,
    )
    return manifest.model_dump_json(indent=2, by_alias=True) + "\n"
