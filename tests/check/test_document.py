"""The JSON form of a report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from scalec.check.document import CheckDocument, ChecksDocument, as_json, json_schema
from scalec.check.run import check
from tests.calculus import networks as nets
from tests.calculus.networks import WIDTH, change, inverse, mup, rule

SCHEMAS = Path(__file__).parents[2] / "docs" / "schema"
SCHEMA = SCHEMAS / "check-1.json"
PUBLISHED = {"check-1.json": CheckDocument, "checks-1.json": ChecksDocument}


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


def test_the_published_schema_is_that_of_the_models():
    """`python -m tests.check.test_document` writes it anew."""
    for file, document in PUBLISHED.items():
        assert json.loads((SCHEMAS / file).read_text("utf-8")) == json_schema(document)
    assert set(json_schema()["properties"]) >= {"schema", "verdict", "verdicts", "terms", "gradients", "findings"}


def test_a_document_fits_the_published_schema():
    schema = json.loads(SCHEMA.read_text("utf-8"))
    assert list(misfits(json.loads(as_json(report())), schema, schema)) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "scalec.check/2"),
        (("verdict",), "perhaps"),
        (("more",), 1),
        (("terms", 0, "order"), {"N": 1}),
        (("terms", 0, "step"), "0"),
        (("findings", 0, "severity"), "fatal"),
        (("limits", ""), "none"),
    ],
)
def test_what_does_not_fit_is_seen(path, value):
    schema, document = json.loads(SCHEMA.read_text("utf-8")), json.loads(as_json(report()))
    *way, last = path
    reduce(lambda part, key: part[key], way, document)[last] = value
    assert list(misfits(document, schema, schema))
    del document["terms"]
    assert "/: `terms` is missing" in misfits(document, schema, schema)


TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}


def misfits(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str = "/") -> Iterator[str]:
    """Where a value does not fit a JSON Schema, as far as the published one uses the vocabulary."""
    if "$ref" in schema:
        yield from misfits(value, root["$defs"][schema["$ref"].split("/")[-1]], root, at)
    if "anyOf" in schema and all(list(misfits(value, option, root, at)) for option in schema["anyOf"]):
        yield f"{at}: fits none of several"
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        yield f"{at}: {value!r} is not one of those known"
    if not isinstance(value, TYPES.get(schema.get("type", ""), object)):
        yield f"{at}: no {schema['type']}"
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from misfits(item, schema.get("items", {}), root, f"{at}{index}/")
    elif isinstance(value, dict):
        yield from (f"{at}: `{name}` is missing" for name in schema.get("required", ()) if name not in value)
        for name, item in value.items():
            own = schema.get("properties", {}).get(name, schema.get("additionalProperties", {}))
            yield from misfits(item, own, root, f"{at}{name}/") if own is not False else [f"{at}: `{name}` is unknown"]


if __name__ == "__main__":
    for file, document in PUBLISHED.items():
        (SCHEMAS / file).write_text(json.dumps(json_schema(document), indent=2) + "\n", encoding="utf-8")
