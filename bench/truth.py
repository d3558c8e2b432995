"""The calculus against real training: `python -m bench.truth [CASE...]`. Output: `results/truth.md`, or a print-out.

Every case is a network, a rule and an optimizer, trained for a few steps in float64 at several sizes. What is
compared is the slope of every term at every step with its predicted exponent. With names of cases (or
beginnings of names) only those are run and printed; nothing is written.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch

from bench.harness import write_results
from scalec.diagnostics import Reporter
from scalec.pipeline import Operands, PlanRequest, plan, prepare
from scalec.plan.make import Request, make_plan
from scalec.plan.orders import scaling
from scalec.resolve.load import load
from scalec.symbolic.order import Order, Regime
from scalec.torch.compare import TOLERANCE, Row
from scalec.torch.emitted import load_emitted
from scalec.torch.experiment import Experiment
from scalec.torch.explain import Reason, explain
from scalec.torch.measure import Batch

RULES = Path(__file__).parent / "rules"
SAMPLES = 32  # vectors in a batch
SEQUENCES = 4
RATES = {"adam": "2^-12", "sgd": "2^-5"}  # far from the edge of stability at every size
EPS = "10^-14"  # below every gradient entry, as `faithful` asks


@dataclass(frozen=True)
class Case:
    """`size` grows through `sizes`, `others` stay; `file` is a rule file beside this one."""

    file: str
    network: str
    rule: str
    optimizer: str
    size: str
    sizes: tuple[int, ...]
    others: str = ""
    seeds: int = 3

    @property
    def name(self) -> str:
        return f"{self.network}.{self.size}.{self.rule}.{self.optimizer}"

    @property
    def at(self) -> tuple[str, ...]:
        return tuple(",".join([f"{self.size}={s}", *([self.others] if self.others else [])]) for s in self.sizes)


@dataclass(frozen=True)
class Outcome:
    """`rows`: every term that is not absent; `reasons`: for each row that disagrees; `alone`: for each cause that was
    measured, how many of the terms in question agree, and how many there are."""

    case: Case
    rows: tuple[Row, ...]
    reasons: Mapping[Row, Reason]
    seconds: float

    @property
    def agreeing(self) -> int:
        return sum(row.agrees for row in self.rows)


# ---- cases -----------------------------------------------------------------------------------
WIDTHS = (64, 128, 256, 512, 1024)
WIDTH_RULES = (
    "sp_slow", "mup_width", "ntk", "zero_readout", "wrong_input", "wrong_matrix", "wrong_output", "wrong_output_rate",
    "large_matrix", "small_matrix",
)  # fmt: skip
GPT_RULES = ("sp_slow", "mup_width", "zero_readout", "wrong_input", "wrong_vector", "wrong_matrix", "wrong_output")
DEPTH_RULES = ("depth_one", "depth_half", "zero_readout_depth", "wrong_rate", "wrong_factor")
OPTIMIZERS = ("adam", "sgd")


def cases() -> list[Case]:
    """All of them, by network."""
    mlp = [Case("width", "small_mlp", r, o, "N", WIDTHS, seeds=5) for r in WIDTH_RULES for o in OPTIMIZERS]
    wide = [Case("width", "residual_mlp", "mup_width", o, "N", WIDTHS[:4], "L=2") for o in OPTIMIZERS]
    deep = [
        Case("depth", "residual_mlp", r, o, "L", (2, 4, 8, 16, 32), "N=32") for r in DEPTH_RULES for o in OPTIMIZERS
    ]
    gpt = [Case("width", "tiny_gpt", r, o, "N", WIDTHS[:4], "L=2") for r in GPT_RULES for o in OPTIMIZERS]
    deep_gpt = [Case("depth", "tiny_gpt", "depth_one", o, "L", (2, 4, 8, 16), "N=32") for o in OPTIMIZERS]
    return [*mlp, *wide, *deep, *gpt, *deep_gpt]


# ---- running ---------------------------------------------------------------------------------
def experiment(case: Case, steps: int = 3) -> Experiment:
    """Resolve, plan, emit and import a case. Raises ScalecError where its rule file is wrong."""
    workspace = load(RULES / f"{case.file}.scale")
    operands = Operands(case.rule, case.network, case.optimizer)
    tunes = (f"lr={RATES[case.optimizer]}", *([f"eps={EPS}"] if case.optimizer != "sgd" else []))
    planned = plan(workspace, operands, PlanRequest(at=case.at, tunes=tunes))
    subject, reporter = prepare(workspace, operands), Reporter()
    orders = make_plan(subject.program, subject.rule, subject.optimizer, Request(orders_only=True), reporter)
    reporter.stop_on_errors()
    regime = Regime(case.size, ("s",), ((case.size, Order.of({"s": 1})),))
    data = token_batch if "V" in planned.program.dimension else vector_batch
    return Experiment(load_emitted(planned), scaling(orders), regime, case.size, data, range(case.seeds), steps)


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


def run(case: Case) -> Outcome:
    torch.set_num_threads(1)
    start = time.perf_counter()
    trial = experiment(case)
    rows = tuple(trial.rows())
    reasons = {row: explain(trial, row) for row in rows if not row.agrees}
    return Outcome(case, rows, reasons, time.perf_counter() - start)


# ---- reporting -------------------------------------------------------------------------------
def report(outcomes: Sequence[Outcome]) -> list[str]:
    """The summary, then every disagreement with both numbers and its reason."""
    total, agreeing = sum(len(o.rows) for o in outcomes), sum(o.agreeing for o in outcomes)
    kinds = Counter(reason.kind for o in outcomes for reason in o.reasons.values())
    found = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()) or "none"
    return [
        f"**{agreeing} of {total} terms within {TOLERANCE}** of the predicted exponent; the others: {found}.",
        "",
        "A term is counted at every step (0 to 3) unless it is absent in prediction and measurement alike.",
        "",
        *summary(outcomes),
        "",
        "## Every disagreement",
        "",
        *disagreements(outcomes),
    ]


def summary(outcomes: Iterable[Outcome]) -> list[str]:
    rows = ["| network | over | rule | optimizer | within | of | the others | s |", "|---|---|---|---|---|---|---|---|"]
    for o in outcomes:
        kinds = Counter(reason.kind for reason in o.reasons.values())
        others = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        over = f"{o.case.size} = {o.case.sizes[0]}..{o.case.sizes[-1]}"
        rows.append(
            f"| {o.case.network} | {over} | {o.case.rule} | {o.case.optimizer} "
            f"| {o.agreeing} | {len(o.rows)} | {others} | {o.seconds:.0f} |"
        )
    return rows


def disagreements(outcomes: Iterable[Outcome]) -> list[str]:
    rows = ["| case | term | predicted | measured | reason | |", "|---|---|---|---|---|---|"]
    for o in outcomes:
        for row, reason in o.reasons.items():
            predicted = "absent" if row.predicted is None else str(row.predicted)
            measured = "absent somewhere" if row.fit is None else f"{row.fit.slope:.2f}"
            rows.append(f"| {o.case.name} | {row.term} | {predicted} | {measured} | {reason.kind} | {reason.text} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="CASE", help="beginnings of names: `small_mlp.N.mup_width`")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    chosen = [c for c in cases() if not arguments.names or c.name.startswith(tuple(arguments.names))]
    if not chosen:
        sys.exit(f"no case is called so; there are {', '.join(c.name for c in cases())}")
    outcomes = []
    with ProcessPoolExecutor(arguments.workers) as pool:
        for outcome in pool.map(run, chosen):
            outcomes.append(outcome)
            print(*summary([outcome])[2:], sep="\n", file=sys.stderr, flush=True)
    if arguments.names:
        print("\n".join(report(outcomes)))
    else:
        write_results("truth", "The calculus against real training", report(outcomes), ("torch",))


if __name__ == "__main__":
    main()
