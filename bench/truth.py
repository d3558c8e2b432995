"""The calculus against real training: `python -m bench.truth [CASE...]`. Output: `results/truth*.md`, or a print-out.

Every group of cases has a file; `--group` runs one. Every case is a network, a rule and an optimizer, trained for
a few steps in float64 at several sizes. What is compared is the slope of every term at every step with its
predicted exponent. With names of cases (or beginnings of names) only those are run and printed; nothing is written.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import torch

from bench.batches import batch_of
from bench.harness import write_results
from scalec.diagnostics import Reporter
from scalec.operands import Operands, prepare
from scalec.pipeline import PlanRequest, orders, plan
from scalec.resolve.load import Workspace, load
from scalec.source import Source
from scalec.symbolic.dominance import Cell
from scalec.symbolic.order import Order, Regime
from scalec.symbolic.regime import resolve_regime
from scalec.syntax.parser import parse_regime
from scalec.torch.compare import TOLERANCE, Row
from scalec.torch.emitted import load_emitted
from scalec.torch.experiment import Experiment
from scalec.torch.explain import Reason, explain, explain_alone

RULES = Path(__file__).parent / "rules"
RATES = {"adam": "2^-12", "muon+adamw": "2^-12", "sgd": "2^-5"}  # far from the edge of stability at every size
EPS = "10^-14"  # below every gradient entry, as `faithful` asks


@dataclass(frozen=True)
class Case:
    """`size` grows through `sizes`, `others` stay, unless a `regime` of the rule file says that they grow with it:
    then they are those at the first size. `file` is a rule file beside this one.

    `seeds`: how many for all tensors together; `alone`: for one tensor at a time. `tunes`: where attributes
    start. `further`: larger sizes, asked where slopes disagree.
    """

    file: str
    network: str
    rule: str
    optimizer: str
    size: str
    sizes: tuple[int, ...]
    others: str = ""
    seeds: int = 3
    alone: int = 3
    tunes: tuple[str, ...] = ()
    further: tuple[int, ...] = ()
    regime: str = ""
    every_cause: bool = False

    @property
    def name(self) -> str:
        return f"{self.network}.{self.regime or self.size}.{self.rule}.{self.optimizer}"

    def at(self, regime: Regime) -> tuple[str, ...]:
        """All sizes, as the command line writes them."""
        growth = {dimension: order.exponent("s") for dimension, order in regime.growth}
        first = {self.size: self.sizes[0]}
        first |= {name: int(n) for name, n in (part.split("=") for part in self.others.split(",") if part)}
        ratios = [Fraction(size, self.sizes[0]) for size in self.sizes]
        return tuple(",".join(f"{d}={n * ratio ** growth.get(d, 0)}" for d, n in first.items()) for ratio in ratios)


@dataclass(frozen=True)
class Outcome:
    """`rows`: every term that is not absent; `reasons`: for each row that disagrees; `alone`: the rows of every cause,
    one tensor trained at a time, where there were disagreements."""

    case: Case
    rows: tuple[Row, ...]
    alone: Mapping[str, tuple[Row, ...]]
    reasons: Mapping[Row, Reason]
    reasons_alone: Mapping[tuple[str, Row], Reason]
    seconds: float

    @property
    def one_by_one(self) -> tuple[Row, ...]:
        return tuple(row for rows in self.alone.values() for row in rows)


# ---- cases -----------------------------------------------------------------------------------
WIDTHS = (64, 128, 256, 512, 1024)
WIDTH_RULES = (
    "sp_slow", "mup_width", "ntk", "zero_readout", "wrong_input", "wrong_matrix", "wrong_output", "wrong_output_rate",
    "large_matrix", "small_matrix",
)  # fmt: skip
GPT_RULES = ("sp_slow", "mup_width", "zero_readout", "wrong_input", "wrong_vector", "wrong_matrix", "wrong_output")
DEPTH_RULES = ("depth_one", "depth_half", "zero_readout_depth", "wrong_rate", "wrong_factor")
VISION = (
    ("tiny_dit", "mup_width", "L=2"),
    ("tiny_dit", "wrong_modulation", "L=2"),
    ("tiny_conv", "mup_width", ""),
    ("tiny_translator", "mup_width", "L=2"),
)
OPTIMIZERS = ("adam", "sgd")
WAYS = {  # sizes, the others at the first of them, sizes beyond
    "fixed_experts": (WIDTHS[:4], "M=4,Ne=64", (256, 512, 1024)),
    "fine_grained": ((32, 64, 128, 256), "M=4,Ne=32", (256, 512, 1024)),
    "proportional": ((32, 64, 128, 256), "M=4,Ne=32", (256, 512)),
}
MOE_RULES = ("moe_mup", "mssp", "moe_mup_readout", "mssp_readout")
MISPLACED = (("fine_grained", "shared_init"), ("proportional", "loud_init"))
MOE_RATES = {"adam": "2^-6", "sgd": "2^-2"}  # changes are seen beside what was there at the start
HALF_READOUT = ("readout.init.std=1/16",)  # logits of many classes start small: softmax is linear, as assumed


def cases() -> list[Case]:
    """All of them, by network."""
    mlp = [Case("width", "small_mlp", r, o, "N", WIDTHS, seeds=5) for r in WIDTH_RULES for o in OPTIMIZERS]
    wide = [Case("width", "residual_mlp", "mup_width", o, "N", WIDTHS[:4], "L=2") for o in OPTIMIZERS]
    deep = [
        Case("depth", "residual_mlp", r, o, "L", (2, 4, 8, 16, 32), "N=32", further=(64, 128, 256))
        for r in DEPTH_RULES
        for o in OPTIMIZERS
    ]
    gpt = [
        Case(
            "width",
            "tiny_gpt",
            r,
            o,
            "N",
            WIDTHS[:4],
            "L=2",
            alone=1,
            tunes=() if r == "zero_readout" else HALF_READOUT,
        )
        for r in GPT_RULES
        for o in OPTIMIZERS
    ]
    deep_gpt = [
        Case("depth", "tiny_gpt", "depth_one", o, "L", (2, 4, 8, 16), "N=32", alone=1, further=(32, 64))
        for o in OPTIMIZERS
    ]
    seeing = [
        Case("width", network, rule, o, "N", WIDTHS[:4], others, alone=1)
        for network, rule, others in VISION
        for o in OPTIMIZERS
    ]
    sparse = [
        Case("modified", "sparse_mlp", r, "adam", d, s, o)
        for r in ("sparse_right", "sparse_blind")
        for d, s, o in (("Q", (1, 2, 4, 8, 16), "N=256,L=2"), ("N", WIDTHS[:4], "Q=4,L=2"))
    ]
    ranks, widths = ("r", (8, 16, 32, 64, 128), "N=512,L=2"), ("N", WIDTHS[:4], "r=4,L=2")
    adapters = [
        Case("modified", "lora_mlp", r, "adam", d, s, o)
        for r, (d, s, o) in (
            ("lora_right", ranks),
            ("lora_right", widths),
            ("lora_loud", ranks),
            ("lora_even", widths),
        )
    ]
    return [*mlp, *wide, *deep, *gpt, *deep_gpt, *seeing, *_llama(), *sparse, *adapters, *_dropped(), *_muon()]


def _dropped() -> list[Case]:
    """Dropout wherever it can stand; which entries it takes stays the same from step to step."""
    return [
        Case("width", "dropped_gpt", "mup_width", o, "N", WIDTHS[:4], "L=2", alone=1, tunes=HALF_READOUT)
        for o in OPTIMIZERS
    ]


def _muon() -> list[Case]:
    """Two optimizers at once: one orthogonalises matrices, in bfloat16, the other has the rest."""
    both = "muon+adamw"
    return [
        *(Case("muon", "small_mlp", rule, both, "N", WIDTHS) for rule in ("muon_width", "muon_timid")),
        *(
            Case("muon", "tiny_gpt", rule, both, "N", WIDTHS[:4], "L=2", alone=1, tunes=HALF_READOUT)
            for rule in ("muon_width", "muon_heads")
        ),
    ]


def experts() -> list[Case]:
    """Mixtures of experts, three ways to grow; `_readout` with a readout that does not start at zero."""
    return [
        *(_moe("soft_moe", rule, way, o, MOE_RATES) for way in WAYS for rule in MOE_RULES for o in OPTIMIZERS),
        *(_moe("half_moe", rule, way, o, MOE_RATES) for way in WAYS for rule in MOE_RULES[:2] for o in OPTIMIZERS),
        *(_moe("soft_moe", rule, way, o, RATES) for way, rule in MISPLACED for o in OPTIMIZERS),
        *(_moe("tiny_moe_gpt", rule, way, "adam", RATES) for way in WAYS for rule in MOE_RULES[:2]),
    ]


def _moe(network: str, rule: str, way: str, optimizer: str, rates: Mapping[str, str]) -> Case:
    sizes, start, further = WAYS[way]
    tunes = (f"lr={rates[optimizer]}",)
    every = rule.endswith("_readout")
    return Case(
        "moe", network, rule, optimizer, "N", sizes, start, seeds=4, alone=4, tunes=tunes,
        further=further, regime=way, every_cause=every,
    )  # fmt: skip


def _llama() -> list[Case]:
    """Its blocks all at once; few keys for many queries; the table of the embedding read twice."""
    rules = {"small_llama": "mup_width", "few_keys": "spectral_width", "tied_llama": "mup_tied"}
    tunes = {"tied_llama": ("embed.init.std=1", "readout.scale=1/16")}  # its own token is seen among all
    return [
        Case("llama", n, r, o, "N", WIDTHS[:4], "L=2", alone=1, tunes=tunes.get(n, HALF_READOUT))
        for n, r in rules.items()
        for o in OPTIMIZERS
    ]


@dataclass(frozen=True)
class Group:
    """The cases of one file of results."""

    title: str
    cases: Callable[[], list[Case]]


GROUPS = {
    "truth": Group("The calculus against real training", cases),
    "truth_moe": Group("The calculus against real training: mixtures of experts", experts),
}


# ---- running ---------------------------------------------------------------------------------
def experiment(case: Case, steps: int = 3) -> Experiment:
    """Resolve, plan, emit and import a case. Raises ScalecError where its rule file is wrong."""
    workspace = load(RULES / f"{case.file}.scale")
    operands = Operands(case.rule, case.network, case.optimizer)
    tunes = (f"lr={RATES[case.optimizer]}", *([f"eps={EPS}"] if case.optimizer != "sgd" else []), *case.tunes)
    regime = regime_of(case, workspace)
    request = PlanRequest(
        at=case.at(regime), base=case.at(regime)[0] if case.regime else None, tunes=tunes, regime=case.regime or None
    )
    planned = plan(workspace, operands, request)
    data = batch_of(case.network, planned.program)
    laws = orders(prepare(workspace, operands), Cell(regime))
    further = experiment(replace(case, sizes=case.further, further=(), alone=2), steps) if case.further else None
    return Experiment(load_emitted(planned), laws, regime, case.size, data, case.seeds, case.alone, steps, further)


def regime_of(case: Case, workspace: Workspace) -> Regime:
    """The case's regime, or that of its one size."""
    if not case.regime:
        return Regime(case.size, ("s",), ((case.size, Order.of({"s": 1})),))
    reporter = Reporter()
    regime = resolve_regime(workspace, parse_regime(Source("regime", case.regime)), reporter)
    reporter.stop_on_errors()
    assert regime is not None
    return regime


def run(case: Case) -> Outcome:
    torch.set_num_threads(1)
    start = time.perf_counter()
    trial = experiment(case)
    rows = tuple(trial.rows())
    reasons = {row: explain(trial, row) for row in rows if not row.agrees}
    alone = {cause: tuple(trial.rows(cause)) for cause in trial.causes} if reasons or case.every_cause else {}
    reasons_alone = {
        (cause, row): explain_alone(trial, row, cause) for cause in alone for row in alone[cause] if not row.agrees
    }
    return Outcome(case, rows, alone, reasons, reasons_alone, time.perf_counter() - start)


# ---- reporting -------------------------------------------------------------------------------
def report(outcomes: Sequence[Outcome]) -> list[str]:
    """The summary, then every disagreement with both numbers and its reason."""
    together = _count(row for o in outcomes for row in o.rows)
    alone = _count(row for o in outcomes for row in o.one_by_one)
    reasons = _kinds(reason for o in outcomes for reason in o.reasons.values())
    reasons_alone = _kinds(reason for o in outcomes for reason in o.reasons_alone.values())
    return [
        f"- All tensors trained: **{together} terms within {TOLERANCE}** of the predicted exponent;",
        f"  the others: {reasons}.",
        f"- One tensor trained at a time, where a term of the joint run disagreed: **{alone}**;",
        f"  the others: {reasons_alone}.",
        "",
        "A term is counted at every step, 0 to 3, unless it is absent in prediction and measurement alike. Every",
        "disagreement of a joint run is listed below with the reason that a further measurement gave",
        "(`scalec/torch/explain.py`).",
        "",
        *summary(outcomes),
        "",
        "## Every disagreement, all tensors trained",
        "",
        *disagreements(outcomes),
        "",
        "## Every disagreement, one tensor trained at a time",
        "",
        *disagreements_alone(outcomes),
    ]


def _count(rows: Iterable[Row]) -> str:
    verdicts = [row.agrees for row in rows]
    return f"{sum(verdicts)} of {len(verdicts)}" if verdicts else ""


def _kinds(reasons: Iterable[Reason]) -> str:
    kinds = Counter(reason.kind for reason in reasons)
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())


def summary(outcomes: Iterable[Outcome]) -> list[str]:
    rows = [
        "| network | over | rule | optimizer | all trained | the others | one at a time | the others | s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for o in outcomes:
        cells = (
            o.case.network, f"{o.case.size} = {o.case.sizes[0]} to {o.case.sizes[-1]}", o.case.rule, o.case.optimizer,
            _count(o.rows), _kinds(o.reasons.values()), _count(o.one_by_one), _kinds(o.reasons_alone.values()),
            f"{o.seconds:.0f}",
        )  # fmt: skip
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def disagreements(outcomes: Iterable[Outcome]) -> list[str]:
    """A line for each term: its steps, with their slopes."""
    lines = ["| case | term | steps | predicted | measured | reason | |", "|---|---|---|---|---|---|---|"]
    for o in outcomes:
        groups: dict[tuple[str, ...], list[tuple[Row, Reason]]] = {}
        for row, reason in o.reasons.items():
            key = (f"{row.term.subject} {row.term.kind}", _exponent(row), reason.kind)
            groups.setdefault(key, []).append((row, reason))
        for (term, predicted, kind), found in groups.items():
            steps = ", ".join(str(row.term.step) for row, _ in found)
            measured = ", ".join(_slope(row) for row, _ in found)
            lines.append(
                f"| {o.case.name} | {term} | {steps} | {predicted} | {measured} | {kind} | {found[0][1].text} |"
            )
    return lines


def disagreements_alone(outcomes: Iterable[Outcome]) -> list[str]:
    """A line for each cause, prediction and kind of reason: the terms with their slopes, at the first step each."""
    lines = ["| case | trained | predicted | measured | reason |", "|---|---|---|---|---|"]
    for o in outcomes:
        groups: dict[tuple[str, str, str], dict[str, str]] = {}
        for (cause, row), reason in o.reasons_alone.items():
            terms = groups.setdefault((cause, _exponent(row), reason.kind), {})
            terms.setdefault(f"{row.term.subject} {row.term.kind}", _slope(row))
        for (cause, predicted, kind), terms in groups.items():
            measured = "; ".join(f"{term} {slope}" for term, slope in terms.items())
            lines.append(f"| {o.case.name} | {cause} | {predicted} | {measured} | {kind} |")
    return lines


def _exponent(row: Row) -> str:
    return "absent" if row.predicted is None else str(row.predicted)


def _slope(row: Row) -> str:
    return "absent somewhere" if row.fit is None else f"{row.fit.slope:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="CASE", help="beginnings of names: `small_mlp.N.mup_width`")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--group", choices=GROUPS, help="the cases of one file of results")
    arguments = parser.parse_args()
    groups = [arguments.group] if arguments.group else list(GROUPS)
    if arguments.names:
        every = [case for group in groups for case in GROUPS[group].cases()]
        chosen = [case for case in every if case.name.startswith(tuple(arguments.names))]
        if not chosen:
            sys.exit(f"no case is called so; there are {', '.join(c.name for c in every)}")
        print("\n".join(report(list(_run_all(chosen, arguments.workers)))))
        return
    for group in groups:
        found = report(list(_run_all(GROUPS[group].cases(), arguments.workers)))
        write_results(group, GROUPS[group].title, found, ("torch",), f"bench.truth --group {group}")


def _run_all(chosen: Iterable[Case], workers: int) -> Iterator[Outcome]:
    with ProcessPoolExecutor(workers) as pool:
        for outcome in pool.map(run, chosen):
            print(*summary([outcome])[2:], sep="\n", file=sys.stderr, flush=True)
            yield outcome


if __name__ == "__main__":
    main()
