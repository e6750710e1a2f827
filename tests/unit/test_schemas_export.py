"""The exported JSON Schemas agree with the codec, say what every member means, and have an example of every message."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jsonschema import Draft202012Validator

from agents.sops.catalogue import CLAUSES, OUTPUTS, POLICIES, decode_message, topics
from schemas.codec.decoder import decode_record
from schemas.codec.encoder import decode_act, decode_dead_letter, encode_act, encode_dead_letter, encode_message
from schemas.codec.limits import Limits
from schemas.codec.schema_ids import SCHEMA_VERSION, URN_IDS, SchemaIds
from schemas.errors import InvalidMessage
from schemas.events import EVENT_TYPES, FIELDS
from schemas.jsonschema.asyncapi import PARTITIONS, asyncapi_document
from schemas.jsonschema.examples import examples
from schemas.jsonschema.export import export
from schemas.jsonschema.messages import message_name, message_schemas
from schemas.jsonschema.plain_messages import CHECKPOINT, POLICY
from schemas.jsonschema.policy import policy_schema
from schemas.outputs import DeadLetter
from streams.audit.log import Checkpoint
from streams.audit.note import Signer, signed_note
from streams.kafka.topic_setup import TopicTargets, new_configs, topic_table
from tests.inbound import DATA, envelope
from tests.kit import kit
from tests.unit.test_encoder import ACTION, ALERT, BARE_ACTION, PAF, REFUND, revision

EXAMPLES = examples(URN_IDS)
PUBLISHED: dict[str, Any] = json.loads(json.dumps(message_schemas(OUTPUTS, URN_IDS, EXAMPLES)))
TYPES = [*EVENT_TYPES, *(f"decision.{kind}" for kind in OUTPUTS.bodies), "action", "alert", "dead-letter", "act"]
VALIDATORS = {name: Draft202012Validator(schema) for name, schema in PUBLISHED.items()}

MEMBERS = {"decision_key": "job-17|paf|out_of_scope|p-4", "asof": 1_795_255_200_000_000}
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
    assert published("messages/job.rated", envelope("job.rated"))
    assert not published("messages/job.rated", envelope("job.rated", **{member: value}))
    assert not accepted(envelope("job.rated", **{member: value}))


@pytest.mark.parametrize(
    "message",
    [
        encode_message(
            revision(
                PAF,
                **MEMBERS,
                inputs="jobs-0:1",
                supersedes="0" * 32,
                changed=("status", "counts_in_mg"),
                previous={"status": "provisional", "counts_in_mg": None},
                cause=("/desk#1", "deadline:2026-11-21T10:00:00Z", "policy"),
            )
        ),
        encode_message(revision(REFUND, **MEMBERS)),
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
    schema = PUBLISHED[event["type"]]
    assert event["dataschema"] == schema["$id"]
    jsonschema.validate(event, {**PUBLISHED[message_name(event["type"])], "additionalProperties": False})
    jsonschema.validate(event["data"], {**schema, "additionalProperties": False})
    for name in schema["required"]:
        assert not published(event["type"], {key: value for key, value in event["data"].items() if key != name})


@pytest.mark.parametrize("stream", kit())
def test_every_message_of_the_kit_but_of_an_unknown_kind_satisfies_its_schema(stream: str) -> None:
    events = [json.loads(each.value) for each in kit()[stream].records if each.value]
    known = [event for event in events if event["type"] in VALIDATORS]
    assert {event["type"] for event in events} - {event["type"] for event in known} <= {"decision.loyalty"}
    for event in known:
        whole = [*VALIDATORS[message_name(event["type"])].iter_errors(event)]
        assert [error.message for error in (*whole, *VALIDATORS[event["type"]].iter_errors(event["data"]))] == []


def test_a_decision_is_not_valid_as_another_kind() -> None:
    data = json.loads(encode_message(revision(PAF, **MEMBERS)))["data"]
    assert published("decision.paf", data)
    assert not published("decision.tagging", data)
    assert not published("decision.paf", {**data, "effective_at": 5})


def test_the_export_writes_every_schema_deterministically(tmp_path: Path) -> None:
    first = export(tmp_path / "deep" / "one", OUTPUTS, POLICIES, SchemaIds())
    second = export(tmp_path / "two", OUTPUTS, POLICIES, SchemaIds())
    names = [path.relative_to(tmp_path / "two").as_posix() for path in second]
    assert sorted(names) == sorted(
        [*(f"{name}-{SCHEMA_VERSION}.json" for name in [*PUBLISHED, "policy"]), "asyncapi.json"]
    )
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    ids = set()
    for path in first:
        document = json.loads(path.read_bytes())
        if path.name != "asyncapi.json":
            Draft202012Validator.check_schema(document)
            ids.add(document["$id"])
    assert len(ids) == len(first) - 1


@pytest.mark.parametrize("base", ["https://schemas.example.com/sop", "https://schemas.example.com/sop/"])
def test_with_a_base_address_every_id_is_the_address_of_its_file(tmp_path: Path, base: str) -> None:
    ids = SchemaIds(base)
    for path in export(tmp_path, OUTPUTS, POLICIES, ids):
        if path.name != "asyncapi.json":
            address = f"https://schemas.example.com/sop/{path.relative_to(tmp_path).as_posix()}"
            assert json.loads(path.read_bytes())["$id"] == address
    message = json.loads(encode_message(revision(PAF), ids))
    assert message["dataschema"] == f"https://schemas.example.com/sop/decision.paf-{SCHEMA_VERSION}.json"
    letter = json.loads(encode_dead_letter(DeadLetter(topic="t", partition=0, offset=1, reason="r", value=None), ids))
    assert letter["dataschema"] == f"https://schemas.example.com/sop/dead-letter-{SCHEMA_VERSION}.json"


def test_the_document_has_every_public_topic_with_every_message() -> None:
    document: Any = asyncapi_document(OUTPUTS.bodies, EXAMPLES)
    public = {name for name in topics().known if not name.startswith("internal.")}
    assert set(document["channels"]) == public
    names = {name for channel in document["channels"].values() for name in channel["messages"]}
    others = {*(f"{name}.binary" for name in EVENT_TYPES), *(f"decision.{kind}.latest" for kind in OUTPUTS.bodies)}
    plain = {"policy", "checkpoint"}
    assert names == {*TYPES, *others, *plain} == set(document["components"]["messages"])
    operations = {name: (each["action"], each["tags"]) for name, each in document["operations"].items()}
    assert operations["worker.receive.jobs"] == ("receive", [{"name": "worker"}])
    assert operations["producer.send.jobs"] == ("send", [{"name": "producer"}])
    assert operations["worker.send.alerts"] == ("send", [{"name": "worker"}])
    assert operations["consumer.receive.alerts"] == ("receive", [{"name": "consumer"}])
    assert operations["policy-publisher.send.policies"] == ("send", [{"name": "policy-publisher"}])
    assert operations["worker.receive.policies"] == ("receive", [{"name": "worker"}])
    assert operations["archive.send.audit.checkpoints"] == ("send", [{"name": "archive"}])
    assert operations["consumer.receive.audit.checkpoints"] == ("receive", [{"name": "consumer"}])
    assert {name for name in operations if name.endswith("send.audit.acts")} == {
        "console.send.audit.acts",
        "eraser.send.audit.acts",
    }
    assert len(operations) == 2 * len(document["channels"]) + 1


def test_the_document_has_the_set_up_with_which_topics_are_created() -> None:
    document: Any = asyncapi_document(OUTPUTS.bodies, EXAMPLES)
    setups = topic_table(topics())
    for name, channel in document["channels"].items():
        binding, configs = channel["bindings"]["kafka"], new_configs(setups[name], TopicTargets(partitions=PARTITIONS))
        assert binding["partitions"] == (setups[name].partitions or PARTITIONS), name
        assert binding["topicConfiguration"]["cleanup.policy"] == [configs["cleanup.policy"]], name


def test_the_example_of_a_policy_is_a_document() -> None:
    example: Any = POLICY.example
    jsonschema.validate(example, json.loads(json.dumps(policy_schema(POLICIES, URN_IDS))))
    (table,) = (name for name, value in example.items() if isinstance(value, dict))
    lines = [f"{name} = {json.dumps(value)}" for name, value in example.items() if name != table]
    lines += [f"[{table}]", *(f"{name} = {json.dumps(value)}" for name, value in example[table].items())]
    policy = POLICIES.read("\n".join(lines), "the example")
    assert policy.label == example["label"]
    assert len(list(POLICIES.changes(policy))) == len(example[table])


def test_checkpoints_are_as_their_schema_says() -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    signer = Signer.of("example.com/log", key)
    for size in (0, 7, 300):
        jsonschema.validate(
            signed_note(str(Checkpoint("example.com/log", size, bytes(32))), signer), CHECKPOINT.payload
        )
    example = str(CHECKPOINT.example)
    jsonschema.validate(example, CHECKPOINT.payload)
    assert Checkpoint.parse(example).origin == "example.com/sop-archive"
    for other in (example.replace("1204", "01204"), example.replace("\n\n", "\n"), example[:-1]):
        assert not Draft202012Validator(CHECKPOINT.payload).is_valid(other)


@pytest.mark.parametrize("name", TYPES)
def test_every_message_has_a_recorded_example(name: str) -> None:
    example: Any = EXAMPLES[name]
    message = PUBLISHED[message_name(name)]
    assert (PUBLISHED[name]["examples"], message["examples"]) == ([example["data"]], [example])
    jsonschema.validate(example, message, format_checker=Draft202012Validator.FORMAT_CHECKER)
    if name in EVENT_TYPES:
        assert accepted(example)
    elif name == "dead-letter":
        assert decode_dead_letter(json.dumps(example).encode()).reason == example["data"]["reason"]
    elif name == "act":
        assert json.loads(encode_act(*decode_act(json.dumps(example).encode()))) == example
    else:
        assert json.loads(encode_message(decode_message(json.dumps(example).encode()))) == example


def properties_of(schema: Any, path: str = "$") -> Iterator[tuple[str, Any]]:
    """Yield every property of a schema and of what is within it, by its path."""
    if isinstance(schema, dict):
        for name, each in schema.get("properties", {}).items():
            yield f"{path}.{name}", each
        for name, each in schema.items():
            yield from properties_of(each, f"{path}.{name}")
    elif isinstance(schema, list):
        for each in schema:
            yield from properties_of(each, path)


@pytest.mark.parametrize("name", ["policy", *PUBLISHED])
def test_every_member_says_in_a_sentence_what_it_means(name: str) -> None:
    schema = PUBLISHED.get(name) or json.loads(json.dumps(policy_schema(POLICIES, URN_IDS)))
    described = {path: each.get("description", "") for path, each in properties_of(schema)}
    assert [path for path, text in described.items() if not re.fullmatch(r".{4,}\S[.)]", text)] == []
    cited = {clause for text in described.values() for clause in re.findall(r"\b(?:OOS|DIS)-\d+", text)}
    assert cited <= {*CLAUSES}


@pytest.mark.parametrize("name", [*EVENT_TYPES, *(f"decision.{kind}" for kind in OUTPUTS.bodies)])
def test_a_field_that_a_rule_rests_on_names_its_clauses(name: str) -> None:
    own = PUBLISHED[name]["properties"].keys() - SHARED
    texts = {field: PUBLISHED[name]["properties"][field]["description"] for field in own}
    assert [field for field, text in texts.items() if not re.search(r"[A-Z]+-\d+|No rule|nothing", text)] == []


SHARED = {
    *PUBLISHED["decision.tagging"]["properties"].keys() & PUBLISHED["decision.refund"]["properties"].keys(),
    *("ticket_id", "partner_id", "line_id"),
} - {"outcome"}
"""Fields of every decision, and ids."""


def test_vocabularies_are_open_and_list_what_is_known_today() -> None:
    properties = PUBLISHED["decision.refund"]["properties"]
    assert "eligible_partial" in properties["outcome"]["x-known-values"]
    assert "currency_mismatch" in properties["reasons"]["items"]["x-known-values"]
    assert properties["clauses"]["items"]["x-known-values"] == [*CLAUSES]
    assert PUBLISHED["action"]["properties"]["code"]["x-known-values"] == [*OUTPUTS.action_codes]
    assert PUBLISHED["alert"]["properties"]["name"]["x-known-values"] == [*OUTPUTS.alert_names]
    for name, schema in PUBLISHED.items():
        for path, each in properties_of(schema):
            known = each.get("x-known-values", [])
            assert all(re.search(each["pattern"], value) for value in known if "pattern" in each), (name, path)
    assert VALIDATORS["decision.paf"].is_valid(decision_of("an_outcome_of_tomorrow"))
    assert not VALIDATORS["decision.paf"].is_valid(decision_of("Not a word"))


def test_a_field_of_another_kind_is_refused_and_an_unknown_one_is_not() -> None:
    data = decision_of("upheld")
    assert VALIDATORS["decision.paf"].is_valid({**data, "field_of_tomorrow": 1})
    assert not VALIDATORS["decision.paf"].is_valid({**data, "apology": True})


def decision_of(outcome: str) -> Any:
    return json.loads(encode_message(revision(msgspec.structs.replace(PAF, outcome=outcome), **MEMBERS)))["data"]
