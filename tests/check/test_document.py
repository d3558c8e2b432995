"""The JSON form of a report."""

from __future__ import annotations

import json

from scalec.check.document import CheckDocument, as_json, json_schema
from scalec.check.run import check
from tests.calculus import networks as nets
from tests.calculus.networks import WIDTH, change, inverse, mup, rule


def report():
    net = nets.mlp()
    return check(net.program, rule(net, change(mup("entrywise"), "input", lr=inverse(nets.N))), WIDTH)


def test_the_document_has_the_published_form():
    found = json.loads(as_json(report()))
    assert found["schema"] == "scalec.check/1"
    assert found["verdict"] == "fail"
    assert found["verdicts"]["maximal_update"] == "fail"
    row = next(r for r in found["terms"] if r["tensor"] == "input" and r["term"] == "effective" and r["step"] == 1)
    assert row["order"] == {"N": "-1"}
    assert row["exponent"] == {"s": "-1"}
    assert not row["absent"]
    assert found["findings"][0]["tensor"] == "input"


def test_the_document_reads_back():
    text = as_json(report())
    assert CheckDocument.model_validate_json(text).model_dump_json(indent=2, by_alias=True) + "\n" == text


def test_the_schema_names_every_field():
    assert set(json_schema()["properties"]) >= {"schema", "verdict", "verdicts", "terms", "gradients", "findings"}
