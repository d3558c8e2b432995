"""The plan as tables and documents: the same numbers everywhere, one column a size, a schema in sync."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from scalec.diagnostics import ScalecError
from scalec.emit.document import PlanDocument, order_of
from scalec.emit.manifest import Manifest
from scalec.emit.table import FORMATS, why
from scalec.plan.model import Plan
from scalec.symbolic.formula import add, divide, minimum, mul, number, power, symbol
from tests.emit.compiling import STAMP, files_of, plan_of

SCHEMAS = Path(__file__).parents[2] / "docs" / "schema"
KEYS = [
    "name", "role", "shape", "init", "scale", "scales", "lr", "eps", "wd", "wd_kind",
    "decay_per_step", "optimizer", "split", "order", "clauses", "empirical",
]  # fmt: skip


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_of("tiny_gpt", {"N": 32}, {"N": 64, "L": 4}, rule="loud")


def document(plan: Plan, size: int = 0) -> dict[str, object]:
    found = json.loads(FORMATS["json"](plan))
    return dict(found[size] if isinstance(found, list) else found)


# ---- JSON ------------------------------------------------------------------------------------
def test_document_has_the_keys_of_its_schema(plan: Plan) -> None:
    found = document(plan)
    assert list(found) == ["schema", "subject", "tensors", "sites", "run", "run_empirical"]
    assert found["schema"] == "scalec.plan/1"
    assert all(list(t) == KEYS for t in found["tensors"])  # type: ignore[attr-defined]


def test_a_tied_table_has_a_multiplier_for_each_use() -> None:
    made = plan_of("tiny_tied", {"N": 64}, rule="loud")
    (table,) = (t for t in PlanDocument.model_validate(document(made)).tensors if t.name == "embed")
    assert (table.scale, table.scales) == (0.75, {"readout": 0.5})
    assert "scale.readout" in FORMATS["text"](made)
    assert "tensor matrix, output { scale ~ 1/sqrt(fan_in) }" in why(made, "embed.scale.readout")


def test_one_size_is_an_object_several_are_a_list(plan: Plan) -> None:
    assert isinstance(json.loads(FORMATS["json"](plan)), list)
    assert isinstance(json.loads(FORMATS["json"](plan_of("tiny_gpt", {"N": 32}))), dict)


def test_document_says_what_the_plan_says(plan: Plan) -> None:
    for size, sizes in enumerate(plan.sizes):
        found = PlanDocument.model_validate(document(plan, size))
        assert found.subject.sizes == {n: int(v) for n, v in sizes.items()}
        for entry, t in zip(found.tensors, plan.tensors, strict=True):
            values = {n: plan.value(q, sizes) for n, q in t.numbers.items()}
            assert (entry.name, entry.role) == (t.tensor.path, t.tensor.role)
            assert (entry.lr, entry.eps, entry.wd) == (values["lr"], values["eps"], values["wd"])
            assert (entry.init.mean, entry.init.std) == (values["init.mean"], values["init.std"])
            assert entry.scale == values["scale"]
            assert entry.scales == {}


@pytest.mark.slow
def test_document_by_hand() -> None:
    """The readout of muP at twice the base width, from the paper's table."""
    found = PlanDocument.model_validate(document(plan_of("tiny_gpt", {"N": 32})))
    readout = next(t for t in found.tensors if t.name == "readout")
    assert readout.shape == [256, 32]
    assert (readout.init.dist, readout.init.std) == ("normal", 1 / 8)  # 1/sqrt(16) at the base, over 2
    assert (readout.lr, readout.eps, readout.wd) == (2**-9, 1e-8, 0.02)
    assert readout.order["lr"] == {"N": "-1"}
    assert readout.order["wd"] == {"N": "1"}
    assert readout.clauses["lr"].startswith("std/mup.scale:")
    assert readout.decay_per_step == pytest.approx(2**-8 * 0.01)
    up = next(t for t in found.tensors if t.name == "block.mlp.up")
    assert up.shape == [128, 32]
    assert up.order["eps"] == {"N": "-1"}  # F follows N


def test_orders_of_laws() -> None:
    n, l = symbol("ratio", "N"), symbol("size", "L")  # noqa: E741
    order = order_of(divide(power(n, 2), l))
    assert order is not None
    assert order.as_dict() == {"L": "-1", "N": "2"}
    assert order_of(mul(number(3), symbol("base", "N"))) == order_of(number(1))
    assert order_of(add(n, l)) is None
    assert order_of(minimum(n, l)) is None


@pytest.mark.parametrize(("name", "model"), [("plan-1", PlanDocument), ("manifest-1", Manifest)])
def test_schema_in_the_repository_is_that_of_the_models(name: str, model: type[PlanDocument | Manifest]) -> None:
    """`python -m tests.emit.test_table` writes them anew."""
    assert json.loads((SCHEMAS / f"{name}.json").read_text("utf-8")) == model.model_json_schema(mode="serialization")


def test_manifest() -> None:
    plan = plan_of("tiny_gpt", {"N": 32})
    manifest = Manifest.model_validate_json(files_of(plan)["manifest.json"])
    assert (manifest.rule, manifest.network, manifest.optimizer) == ("mine", "tiny_gpt", "adamw")
    assert (manifest.scalec, manifest.inputs_hash) == (STAMP.version, STAMP.inputs_hash)
    assert manifest.base["N"] == 16
    assert manifest.sizes == {"N": 32, "L": 2, "H": 4, "F": 128, "V": 256, "T": 12}
    assert manifest.parameters["blocks.*.mlp.up.weight"] == "block.mlp.up"
    assert manifest.plan == PlanDocument.model_validate(document(plan))


# ---- text, Markdown, CSV ---------------------------------------------------------------------
def test_csv_has_a_row_for_each_tensor_and_attribute(plan: Plan) -> None:
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](plan))))
    found = {(r["name"], r["attribute"]): r for r in rows}
    for t in plan.tensors:
        row = found[t.tensor.path, "lr"]
        lr = t.numbers["lr"]
        assert [float(row[c]) for c in ("N=32,L=2", "N=64,L=4")] == [plan.value(lr, s) for s in plan.sizes]
    assert found["block.residual.mlp", "scale"]["formula"] == "1/3"


def test_text_has_a_column_for_each_size_and_every_tensor(plan: Plan) -> None:
    text = FORMATS["text"](plan)
    assert "N=32,L=2" in text.splitlines()[3]
    assert "N=64,L=4" in text.splitlines()[3]
    paths = {p for line in text.splitlines() if not line.startswith(" ") for p in line.split(", ")}
    assert {t.tensor.path for t in plan.tensors} <= paths
    assert "run.lr = 0.00390625" in text
    assert "beta2: the run's, for every tensor" in text


def test_markdown_is_one_table(plan: Plan) -> None:
    rows = [line for line in FORMATS["markdown"](plan).splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1


def test_without_sizes_the_base_is_shown() -> None:
    assert FORMATS["text"](plan_of("tiny_gpt")).splitlines()[3].split() == ["base"]


# ---- why -------------------------------------------------------------------------------------
def test_why_names_winners_and_losers(plan: Plan) -> None:
    text = why(plan, "readout.lr")
    assert text.splitlines()[0] == "readout.lr = run.lr/m_N"
    assert "at N=32,L=2: 0.00195312" in text
    assert "by mup: tensor matrix, output { lr ~ 1/fan_in }  (std/mup.scale:" in text
    assert "over mup: tensor * { lr ~ 1 }  (std/mup.scale:" in text


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("block.mlp.up", "block.mlp.up.init = normal"),
        ("blocks.*.mlp.up.weight", "blocks.*.mlp.up.weight.init = normal"),
        ("block.residual.mlp.skip", "block.residual.mlp.skip = 7/8"),
        ("run.schedule", "run.schedule = cosine"),
        ("run.beta2", "run.beta2 = 1 - 0.02"),
    ],
)
def test_why_takes_paths_parameters_sites_and_the_run(plan: Plan, name: str, first: str) -> None:
    assert why(plan, name).splitlines()[0] == first


def test_why_of_an_unknown_name_suggests(plan: Plan) -> None:
    with pytest.raises(ScalecError) as caught:
        why(plan, "readot.lr")
    assert "`readout.lr`" in caught.value.diagnostics[0].helps[0]


if __name__ == "__main__":
    for name, model in (("plan-1", PlanDocument), ("manifest-1", Manifest)):
        SCHEMAS.mkdir(parents=True, exist_ok=True)
        schema = json.dumps(model.model_json_schema(mode="serialization"), indent=2)
        (SCHEMAS / f"{name}.json").write_text(schema + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("optimizer", "end"),
    [("adamw+muon", "adamw.lr: every rate ends at 0.1"), ("muon+adamw", "muon.lr: every rate ends at 0.0064")],
)
def test_of_several_rates_the_one_that_ends_is_named(optimizer: str, end: str) -> None:
    text = """
    use std.muon_mup
    rule mine extends muon_mup {
      base N = 64, L = 2
      run { schedule = cosine;  final_lr = 1e-4 }
      run for muon { lr = 1/64 }
    }
    """
    made = plan_of("gpt", {"N": 128}, optimizer=optimizer, text=text)
    assert f"run.final_lr = 0.0001 of run.{end} of its own" in FORMATS["text"](made)
