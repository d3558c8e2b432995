"""Time and memory of planning.

Claims: 10,000 tensors are planned and printed in less than a second beyond imports, and the time is linear in
the tensors; planning a size of a trillion parameters stays under 300 MB resident. Tensors are distinct, each in
a block of its own: a `repeat` costs as much as one of its layers, so ten thousand tensors of a deep model are
nothing. As no file may be that long, one block of the parsed network is repeated in the tree.
"""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.harness import seconds, write_results
from scalec.emit.table import FORMATS
from scalec.operands import Operands
from scalec.pipeline import PlanRequest, plan
from scalec.resolve.load import Workspace, load_text
from scalec.syntax import nodes

TENSORS = (1250, 2500, 5000, 10_000)
PER_LAYER = 8
RUNS = 5
SECONDS, MEGABYTES, LINEAR = 1.0, 300, 1.3
TRILLION = "N=25600,L=128"

RULE = "use std.mup\nrule wide extends mup for adamw { base N = 64, L = 2 }\n"
NETWORK = """
network long {
  dims N, L
  embed(vocabulary = 256, width = N)
  residual { norm(layer) attention(heads = N/64, causal) }
  residual { norm(layer) mlp(width = 4*N, act = gelu) }
  readout(256)
}
"""


def main() -> None:
    written_out = {tensors: time_of(long_network(tensors), "long", "N=128") for tensors in TENSORS}
    most = written_out[TENSORS[-1]]
    growth = most / TENSORS[-1] / (written_out[TENSORS[0]] / TENSORS[0])
    deep = time_of(load_text(RULE, "wide.scale"), "gpt", f"N=128,L={TENSORS[-1] // PER_LAYER}")
    reading = median_seconds(lambda: load_text(RULE + NETWORK, "wide.scale"))
    megabytes = resident(TRILLION)
    body = [
        f"In one process, after imports; median of {RUNS} runs. Reading a small file with its packs: {reading:.3f} s.",
        "",
        "| distinct tensors | seconds to plan and print | microseconds a tensor |",
        "|---|---|---|",
        *(f"| {t} | {total:.3f} | {total / t * 1e6:.0f} |" for t, total in written_out.items()),
        "",
        "| claim | measured | |",
        "|---|---|---|",
        _claim(f"{TENSORS[-1]} distinct tensors under {SECONDS} s", f"{most:.3f} s", most < SECONDS),
        _claim(f"{TENSORS[-1]} tensors of repeated layers under {SECONDS} s", f"{deep:.3f} s", deep < SECONDS),
        _claim(f"linear: time a tensor grows by at most {LINEAR}", f"{growth:.2f}", growth <= LINEAR),
        _claim(f"`--at {TRILLION}` under {MEGABYTES} MB", f"{megabytes:.0f} MB", megabytes < MEGABYTES),
    ]
    write_results("plan_speed", "Time and memory of a plan", body, ["scalec", "lark"])


def long_network(tensors: int) -> Workspace:
    """The network `long` with its two residual blocks again and again, up to this many tensors."""
    workspace = load_text(RULE + NETWORK, "long.scale")
    unit = workspace.unit
    network = unit.own["network", "long"]
    assert isinstance(network, nodes.NetworkDecl)
    dims, embed, *layer, readout = network.items
    longer = replace(network, items=(dims, embed, *layer * (tensors // PER_LAYER), readout))
    changed = replace(unit, own={**unit.own, ("network", "long"): longer})
    return Workspace(workspace.main, {**workspace.units, workspace.main: changed})


def time_of(workspace: Workspace, network: str, at: str) -> float:
    """Median seconds from a loaded file to a printed plan, without the cycle collector, as the command runs."""
    request = PlanRequest((at,))
    return median_seconds(lambda: FORMATS["text"](plan(workspace, Operands("wide", network), request)))


def median_seconds(run: Callable[[], object]) -> float:
    gc.collect()
    gc.disable()
    run()
    taken = median(seconds(run) for _ in range(RUNS))
    gc.enable()
    return taken


def resident(sizes: str) -> float:
    """Peak resident megabytes of `scalec plan` at these sizes, in a process of its own."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "wide.scale")
        file.write_text(RULE, encoding="utf-8")
        command = [sys.executable, "-m", "scalec", "plan", str(file), "--network", "gpt", "--at", sizes]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def _claim(claim: str, measured: str, holds: bool) -> str:
    return f"| {claim} | {measured} | {'holds' if holds else 'FAILS'} |"


if __name__ == "__main__":
    main()
