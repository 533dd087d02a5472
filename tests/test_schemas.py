"""The schemas that ship with the package hold for what is written, and refuse what the reader refuses."""

import json

import pytest
from backproof import Head, implementation, verify
from backproof.record.reading import read
from backproof.record.schemas import SCHEMAS, schema
from backproof.record.writing import RecordError
from jsonschema import Draft202012Validator

VALIDATORS = {name: Draft202012Validator(schema(name)) for name in SCHEMAS}


@implementation(hidden=["tanh"], heads=[Head("identity", "squared_error")])
def wrong(network, parameters, inputs, targets):
    """Right below 4 examples, NaN from there on; raises now and then."""
    if len(inputs) == 2:
        raise ValueError("two")
    return float("nan"), {name: value * float("nan") for name, value in parameters.items()}


RUNS = {"right": ("reference", {}), "wrong": (wrong, {}), "an oracle absent": ("reference", {"stop_after": 1}),
        "not judged": (lambda *_: None, {})}


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folders = {}
    for name, (target, more) in RUNS.items():
        folders[name] = tmp_path_factory.mktemp("record")
        verify(target, examples=12, oracles=("torch",), report=folders[name], **more)
    return folders


def lines(folder):
    return [json.loads(line) for line in (folder / "report.jsonl").read_text("utf-8").splitlines()]


def refusals(name, data):
    return [f"{'/'.join(map(str, error.path))}: {error.message[:90]}" for error in VALIDATORS[name].iter_errors(data)]


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one(name):
    Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("name", RUNS)
def test_what_is_written_keeps_to_the_schemas(name, records):
    folder = records[name]
    assert {line["type"] for line in lines(folder)} >= {"header", "footer"}
    assert [refusals("record-line", line) for line in lines(folder) if refusals("record-line", line)] == []
    assert refusals("report", json.loads((folder / "report.json").read_text("utf-8"))) == []
    for path in (folder / "cases").iterdir():
        assert refusals("case", json.loads(path.read_text("utf-8"))) == []


def test_what_is_written_is_read(records):
    for name, folder in records.items():
        run = read(folder)
        assert run.complete
        assert run.report.to_json() == json.loads((folder / "report.json").read_text("utf-8")) | {
            "findings": run.report.to_json()["findings"]}, name
    assert read(records["wrong"]).report.findings


CHANGES = {
    "header": [("schema", 3), ("subject", None), ("seed", "0"), ("environment", []), ("unclaimed", {"layer": "dense"})],
    "features": [("id", "0"), ("layer", "dense"), ("dtype", [1])],
    "result": [("outcome", "fine"), ("property", 3), ("features", "0"), ("network", "1"), ("agreement", {"w": [1]})],
    "finding": [("where", "0"), ("got", "much"), ("case", 5), ("also", "torch"), ("explanation", None)],
    "footer": [("verdict", "good"), ("reason", 1), ("counts", []), ("notes", "none"), ("notes", [{"kind": 1}]),
               ("findings", "1"), ("seconds", "1")],
}


@pytest.mark.parametrize(("kind", "key", "value"), [(kind, *change) for kind, changes in CHANGES.items()
                                                    for change in changes])
def test_schema_and_reader_refuse_the_same(kind, key, value, records, tmp_path):
    changed = lines(records["wrong"])
    at = next(i for i, line in enumerate(changed) if line["type"] == kind)
    changed[at] = changed[at] | {key: value}
    assert refusals("record-line", changed[at])
    (tmp_path / "report.jsonl").write_text("".join(json.dumps(line) + "\n" for line in changed))
    with pytest.raises(RecordError, match=rf"^report.jsonl:{at + 1}: "):
        read(tmp_path)
