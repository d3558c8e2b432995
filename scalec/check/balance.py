"""A loss beside the network's that moves otherwise than it does in the gradient of the scores. Never a failure."""

from __future__ import annotations

from collections.abc import Iterator

from scalec import catalogue as codes
from scalec.check.evidence import Claim, Evidence
from scalec.check.goal import Goal


def _claims(evidence: Evidence) -> Iterator[Claim]:
    step = evidence.limit
    for loss, entries in step.balances.items():
        for tensor, entry in entries.items():
            own = step.gradient[tensor]
            if entry is not None and own is not None:
                note = f"its gradient at `{tensor}` is of order `{entry}`, that of the network's loss of order `{own}`"
                yield Claim(loss, "", "balance", step.index, entry / own, bound="exactly", notes=(note,))


WARNING = Goal("balance", codes.BALANCE, _claims, "limit")
