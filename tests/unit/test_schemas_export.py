"""The exported JSON Schemas agree with the codec, and the reference parser accepts the AsyncAPI document."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from jsonschema import Draft202012Validator

from agents.sops.catalogue import OUTPUTS, POLICIES, topics
from schemas.codec.decoder import decode_record
from schemas.codec.encoder import encode_dead_letter, encode_message
from schemas.codec.limits import Limits
from schemas.errors import InvalidMessage
from schemas.events import EVENT_TYPES, FIELDS
from schemas.jsonschema.asyncapi import asyncapi_document, export
from schemas.jsonschema.messages import message_schemas
from schemas.outputs import DeadLetter
from schemas.topics import INPUTS
from tests.inbound import DATA, envelope
from tests.unit.test_encoder import ACTION, ALERT, BARE_ACTION, PAF, REFUND, revision

NODE_PROJECT = Path(__file__).parents[1] / "asyncapi"
PUBLISHED: dict[str, Any] = json.loads(json.dumps(message_schemas(OUTPUTS)))
VALIDATORS = {name: Draft202012Validator(schema) for name, schema in PUBLISHED.items()}

VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 5, 6, 90.5, 180.5, 1e300, 10**400, [], {}, [1], {"lat": 1}, {"lat": 1, "lon": 2}),
    *("", " ", "x", "x" * 256, "x" * 257, " " * 300, "x" * 2048, "x" * 2049, "2026-11-21", "2026-13-21", "21.11.2026"),
    *({"amount": amount, "currency": "INR"} for amount in ("0", "01", "1.5", "1.12345", "1e3", "-1", 1, None)),
    *({"amount": "1", "currency": currency} for currency in ("inr", "INRR", None, 5)),
    *sorted({value for data in DATA.values() for value in data.values() if isinstance(value, str)}),
]


def accepted(event: dict[str, Any]) -> bool:
    try:
        decode_record(json.dumps(event).encode(), None, Limits())
    except InvalidMessage:
        return False
    return True


def published(name: str, data: Any) -> bool:
    return VALIDATORS[name].is_valid(data)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_the_schema_of_an_event_accepts_what_the_codec_accepts(event_type: str) -> None:
    for field in FIELDS[event_type]:
        for value in VALUES:
            event = envelope(event_type)
            event["data"][field.name] = value
            assert published(event_type, event["data"]) == accepted(event), (field.name, value)
        lacking = envelope(event_type)
        del lacking["data"][field.name]
        assert published(event_type, lacking["data"]) == accepted(lacking) == (not field.required)
    assert published(event_type, {**DATA[event_type], "unknown": 1})


@pytest.mark.parametrize("member", ["specversion", "id", "source", "type", "data"])
@pytest.mark.parametrize("value", [None, "", 5, "x" * 3000])
def test_the_schema_of_the_envelope_rejects_what_the_codec_rejects(member: str, value: Any) -> None:
    assert published("envelope", envelope("job.rated"))
    assert not published("envelope", envelope("job.rated", **{member: value}))
    assert not accepted(envelope("job.rated", **{member: value}))


@pytest.mark.parametrize(
    "message",
    [
        encode_message(revision(PAF, inputs="jobs-0:1", changed=("status",), supersedes="0" * 32)),
        encode_message(revision(REFUND)),
        encode_message(ACTION),
        encode_message(BARE_ACTION),
        encode_message(ALERT),
        encode_dead_letter(DeadLetter(topic="jobs", partition=0, offset=1, reason="id: blank", value=b"")),
        encode_dead_letter(
            DeadLetter(
                topic="jobs", partition=0, offset=1, reason="id: blank", value=b"\xff", key=b"k", headers=(("a", None),)
            )
        ),
        encode_dead_letter(DeadLetter(topic="jobs", partition=0, offset=1, reason="r: x", value=b"{", value_bytes=9)),
    ],
)
def test_an_output_satisfies_its_schema_and_has_no_other_members(message: bytes) -> None:
    event = json.loads(message)
    VALIDATORS["envelope"].validate(event)
    schema = VALIDATORS[event["type"]].schema
    assert isinstance(schema, dict)
    assert event["dataschema"] == schema["$id"]
    jsonschema.validate(event["data"], {**schema, "additionalProperties": False})
    for name in schema["required"]:
        assert not published(event["type"], {key: value for key, value in event["data"].items() if key != name})


def test_a_decision_is_not_valid_as_another_kind() -> None:
    data = json.loads(encode_message(revision(PAF)))["data"]
    assert published("decision.paf", data)
    assert not published("decision.tagging", data)
    assert not published("decision.paf", {**data, "effective_at": 5})


def test_the_export_writes_every_schema_deterministically(tmp_path: Path) -> None:
    first, second = export(tmp_path / "deep" / "one", OUTPUTS, POLICIES), export(tmp_path / "two", OUTPUTS, POLICIES)
    assert [path.name for path in first] == sorted(
        [*(f"{name}.json" for name in VALIDATORS), "asyncapi.json", "policy.json"]
    )
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    ids = set()
    for path in first:
        document = json.loads(path.read_bytes())
        if path.name != "asyncapi.json":
            Draft202012Validator.check_schema(document)
            ids.add(document["$id"])
    assert len(ids) == len(first) - 1


def test_the_document_has_every_public_topic_with_every_message() -> None:
    document: Any = asyncapi_document(OUTPUTS.bodies)
    assert set(document["channels"]) == {*INPUTS, *topics().outputs}
    names = {name for channel in document["channels"].values() for name in channel["messages"]}
    assert names == set(VALIDATORS) - {"envelope"} == set(document["components"]["messages"])
    assert {name: document["operations"][name]["action"] for name in ("jobs", "alerts")} == {
        "jobs": "receive",
        "alerts": "send",
    }


@pytest.fixture
def node() -> str:
    """Return the path of Node with the AsyncAPI parser installed; otherwise skip the test, or fail it in CI."""
    program = shutil.which("node")
    if program is None or not (NODE_PROJECT / "node_modules").is_dir():
        reason = "no Node, or the AsyncAPI parser is not installed for it"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return program


def parsed(node: str, document: Path) -> subprocess.CompletedProcess[str]:
    command = [node, str(NODE_PROJECT / "check.mjs"), str(document)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=50, cwd=NODE_PROJECT)


def test_the_reference_parser_accepts_the_export_with_all_its_schemas(node: str, tmp_path: Path) -> None:
    export(tmp_path, OUTPUTS, POLICIES)
    done = parsed(node, tmp_path / "asyncapi.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert set(json.loads(done.stdout)["channels"]) == {*INPUTS, *topics().outputs}


def test_the_reference_parser_rejects_an_invalid_document(node: str, tmp_path: Path) -> None:
    export(tmp_path, OUTPUTS, POLICIES)
    file = tmp_path / "asyncapi.json"
    file.write_bytes(file.read_bytes().replace(b'"receive"', b'"consume"'))
    done = parsed(node, file)
    assert done.returncode == 1
    assert "action" in done.stderr


@pytest.mark.parametrize("name", ["action", "alert", *(f"decision.{kind}" for kind in OUTPUTS.bodies)])
def test_every_member_of_an_output_is_described(name: str) -> None:
    properties = PUBLISHED[name]["properties"]
    assert [member for member, schema in properties.items() if not schema.get("description")] == []


def test_the_schema_of_a_decision_lists_its_outcomes_and_reasons() -> None:
    properties = PUBLISHED["decision.refund"]["properties"]
    assert "eligible_partial" in properties["outcome"]["enum"]
    assert "currency_mismatch" in properties["reasons"]["items"]["enum"]
    assert not VALIDATORS["decision.paf"].is_valid(decision_of("banana"))


def decision_of(outcome: str) -> Any:
    return json.loads(encode_message(revision(msgspec.structs.replace(PAF, outcome=outcome))))["data"]
