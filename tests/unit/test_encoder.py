"""Output messages: golden bytes and ids, changed fields, and decoding what was encoded."""

import base64
import json
from typing import Any

import msgspec
import pytest
import rfc8785

from agents.sops import catalogue
from agents.sops.offline_service.refund import RefundDecision
from agents.sops.out_of_scope.paf import PafDecision
from schemas.codec.canonical_json import digest32
from schemas.codec.encoder import (
    action_id,
    alert_id,
    content_hash,
    decision_data,
    decision_id,
    decode_dead_letter,
    difference,
    encode_dead_letter,
    encode_message,
)
from schemas.errors import InvalidMessage
from schemas.events import Money
from schemas.outputs import (
    ActionBody,
    ActionMessage,
    AlertBody,
    AlertMessage,
    AnyDecision,
    DeadLetter,
    DecisionBody,
    DecisionMessage,
)
from tests.e2e.verifier import NOT_HASHED

PAF = PafDecision(
    subject_of="out_of_scope",
    case_id="job-17",
    partner_id="p-4",
    status="final",
    outcome="reversal_scheduled",
    clauses=("OOS-18",),
    evidence=("/apps/partner#e-9", "/apps/desk#e-2", "/apps/partner#e-9"),
    policy="default@0123456789abcdef",
    effective_at=1_795_255_200_000_000,
    cancellation_marked=True,
    counts_in_mg=False,
    resolve_at="training_or_review",
    cancellation_ref="/apps/desk#e-2",
    claim_ref="/apps/partner#e-9",
)
REFUND = RefundDecision(
    subject_of="offline_service",
    case_id="jöb",
    partner_id=None,
    status="provisional",
    outcome="awaiting_proof",
    reasons=("proof_missing", "booking_missing"),
    policy="default@0123456789abcdef",
    effective_at=1_795_255_200_000_001,
    proven_amount=Money("10.50", "INR"),
)
ACTION = ActionMessage(
    body=ActionBody(
        code="park_ticket",
        case_id="job-17",
        state="open",
        clauses=("OOS-9",),
        evidence=("/apps/partner#e-9",),
        time=1_795_255_200_000_000,
        params={"until": "2026-11-21T13:00:00Z"},
        partner_id="p-4",
        ticket_id="t-1",
        due_at=1_795_266_000_000_000,
    ),
    action_id=action_id("job-17", "p-4", "park_ticket", "t-1"),
    revision=2,
    inputs="jobs-0:7",
)
BARE_ACTION = ActionMessage(
    body=ActionBody(code="call_partner", case_id="c", state="done", clauses=(), evidence=(), time=0),
    action_id="a" * 32,
    revision=1,
)
ALERT = AlertMessage(
    body=AlertBody(
        name="park_overdue",
        severity="warning",
        state="firing",
        key=("case_id", "ticket_id"),
        labels={"ticket_id": "t-1", "case_id": "job-17", "city": "Pune"},
        summary="A call is overdue.",
        evidence=("/apps/partner#e-9",),
        starts_at=1_795_255_200_000_000,
    ),
    alert_id="0" * 32,
    subject="job-17",
)


def revision(body: DecisionBody, **members: Any) -> AnyDecision:
    content = content_hash(body)
    return DecisionMessage(
        **{
            "body": body,
            "decision_id": decision_id(content, None),
            "content_hash": content,
            "revision": 1,
            "supersedes": None,
            "changed": (),
            "explanation": "It was so.",
            **members,
        }
    )


@pytest.mark.parametrize(
    ("body", "content", "first", "second"),
    [
        (
            PAF,
            "6586605a58a65be759ccf101497efe73",
            "1867ebcba622bb52eaa9685c03b96c0e",
            "c5fe2761710c7379feea7f60603a944f",
        ),
        (
            REFUND,
            "90318fc3384c8b66ec634f236d4f2166",
            "2e8a56d1b363400e351cc0452d0eed1f",
            "37b5fd26e12771724947b111486e128d",
        ),
    ],
)
def test_ids_of_decisions_are_the_same_on_every_machine(
    body: DecisionBody, content: str, first: str, second: str
) -> None:
    assert content_hash(body) == content
    assert decision_id(content, None) == first
    assert decision_id(content, first) == second


def test_the_content_hash_is_over_the_canonical_form_of_the_body() -> None:
    data = json.loads(encode_message(revision(PAF)))["data"]
    for name in NOT_HASHED:
        del data[name]
    assert digest32(rfc8785.dumps(data)) == content_hash(PAF)
    references = {"cancellation_ref": "/apps/desk#e-2", "claim_ref": "/apps/partner#e-9"}
    assert decision_data(PAF) == {**data, **references}


def test_a_decision_is_encoded_as_a_cloud_event() -> None:
    message = revision(
        PAF,
        revision=2,
        supersedes="0" * 32,
        changed=("status", "outcome"),
        previous={"outcome": "upheld", "status": "provisional"},
        decision_key="job-17|paf|out_of_scope|p-4",
        cause=("policy", "/apps/partner#e-9"),
        inputs="jobs-3:120",
        asof=1_795_255_200_000_005,
    )
    assert json.loads(encode_message(message)) == {
        "specversion": "1.0",
        "id": message.decision_id,
        "source": "/sop/decisions",
        "type": "decision.paf",
        "subject": "job-17",
        "time": "2026-11-21T10:00:00Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:sop-streams:schema:decision.paf:1.2",
        "inputs": "jobs-3:120",
        "asof": "2026-11-21T10:00:00.000005Z",
        "data": {
            "decision_id": message.decision_id,
            "content_hash": message.content_hash,
            "kind": "paf",
            "subject_of": "out_of_scope",
            "revision": 2,
            "supersedes": "0" * 32,
            "changed": ["outcome", "status"],
            "previous": {"outcome": "upheld", "status": "provisional"},
            "decision_key": "job-17|paf|out_of_scope|p-4",
            "cause": ["/apps/partner#e-9", "policy"],
            "case_id": "job-17",
            "partner_id": "p-4",
            "status": "final",
            "outcome": "reversal_scheduled",
            "reasons": [],
            "clauses": ["OOS-18"],
            "evidence": ["/apps/desk#e-2", "/apps/partner#e-9"],
            "policy": "default@0123456789abcdef",
            "effective_at": "2026-11-21T10:00:00Z",
            "explanation": "It was so.",
            "cancellation_marked": True,
            "counts_in_mg": False,
            "resolve_at": "training_or_review",
            "cancellation_ref": "/apps/desk#e-2",
            "claim_ref": "/apps/partner#e-9",
        },
    }


def test_a_field_that_does_not_apply_is_absent_and_an_undecided_one_is_null() -> None:
    envelope = json.loads(encode_message(revision(REFUND)))
    assert "inputs" not in envelope
    assert "apology" not in envelope["data"]
    assert envelope["data"]["partner_id"] is None
    undecided = msgspec.structs.replace(PAF, counts_in_mg=None)
    assert json.loads(encode_message(revision(undecided)))["data"]["counts_in_mg"] is None
    assert envelope["data"]["proven_amount"] == {"amount": "10.50", "currency": "INR"}


def test_changed_names_the_fields_that_differ_including_absent_ones() -> None:
    other = msgspec.structs.replace(PAF, status="provisional", resolve_at=msgspec.UNSET)
    assert difference(PAF, other).changed == ("resolve_at", "status")
    assert difference(other, PAF).changed == ("resolve_at", "status")
    undecided = msgspec.structs.replace(PAF, counts_in_mg=None)
    absent = msgspec.structs.replace(PAF, counts_in_mg=msgspec.UNSET)
    assert difference(undecided, absent).changed == ("counts_in_mg",)
    assert difference(PAF, PAF) == ((), {})


@pytest.mark.parametrize("evidence", [PAF.evidence[::-1], PAF.evidence[:2]])
def test_order_and_repetition_of_evidence_do_not_change_the_content_hash(evidence: tuple[str, ...]) -> None:
    assert content_hash(msgspec.structs.replace(PAF, evidence=evidence)) == content_hash(PAF)


def test_an_action_is_encoded_with_the_fields_that_apply() -> None:
    envelope = json.loads(encode_message(ACTION))
    assert (envelope["type"], envelope["source"], envelope["time"]) == (
        "action",
        "/sop/actions",
        "2026-11-21T10:00:00Z",
    )
    assert envelope["data"] == {
        "action_id": ACTION.action_id,
        "code": "park_ticket",
        "params": {"until": "2026-11-21T13:00:00Z"},
        "case_id": "job-17",
        "partner_id": "p-4",
        "ticket_id": "t-1",
        "state": "open",
        "revision": 2,
        "clauses": ["OOS-9"],
        "evidence": ["/apps/partner#e-9"],
        "due_at": "2026-11-21T13:00:00Z",
    }
    assert json.loads(encode_message(BARE_ACTION))["data"].keys().isdisjoint({"partner_id", "ticket_id", "due_at"})


def test_ids_of_actions_and_alerts_depend_on_their_keys_alone() -> None:
    assert action_id("job-17", "p-4", "park_ticket", "t-1") == "76bf1ea5dae880af855846bb7b6a4149"
    assert action_id("job-17", None, "park_ticket", "p-4") != action_id("job-17", "p-4", "park_ticket", None)
    body = ALERT.body
    assert alert_id(body) == "84a265ff77f7eda742574cf2addefced"
    same = msgspec.structs.replace(body, state="resolved", labels={**body.labels, "city": "Delhi"}, starts_at=5)
    assert alert_id(same) == alert_id(body)
    assert alert_id(msgspec.structs.replace(body, name="other")) != alert_id(body)
    assert alert_id(msgspec.structs.replace(body, labels={**body.labels, "case_id": "job-18"})) != alert_id(body)


def test_an_alert_has_its_name_and_severity_as_labels_and_the_time_of_its_state() -> None:
    envelope = json.loads(encode_message(ALERT))
    assert envelope["data"]["labels"] == {
        "alertname": "park_overdue",
        "case_id": "job-17",
        "city": "Pune",
        "severity": "warning",
        "ticket_id": "t-1",
    }
    assert catalogue.decode_message(encode_message(ALERT)) == ALERT
    assert envelope["time"] == envelope["data"]["starts_at"] == "2026-11-21T10:00:00Z"
    assert "ends_at" not in envelope["data"]
    body = msgspec.structs.replace(ALERT.body, state="resolved", ends_at=ALERT.body.starts_at + 1_000_000)
    resolved = json.loads(encode_message(msgspec.structs.replace(ALERT, body=body)))
    assert resolved["time"] == resolved["data"]["ends_at"] == "2026-11-21T10:00:01Z"
    assert resolved["id"] != envelope["id"]


def test_an_encoded_message_is_decoded_unchanged() -> None:
    for message in (ACTION, BARE_ACTION, ALERT):
        assert catalogue.decode_message(encode_message(message)) == message
    body = msgspec.structs.replace(PAF, evidence=tuple(sorted(set(PAF.evidence))))
    decision = revision(body, revision=3, supersedes="1" * 32, changed=("status",), inputs="jobs-3:120")
    assert catalogue.decode_message(encode_message(decision)) == decision
    undated = msgspec.structs.replace(REFUND, reasons=tuple(sorted(REFUND.reasons)))
    assert catalogue.decode_message(encode_message(revision(undated))) == revision(undated)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        b"{}",
        b'{"type":"job.rated","subject":"s","time":"2026-11-21T10:00:00Z","data":{}}',
        b'{"type":"decision.paf","subject":"s","time":"2026-11-21T10:00:00Z","data":{}}',
        b'{"type":"action","subject":"s","time":"never","data":{}}',
        b'{"type":"alert","subject":"s","time":"2026-11-21T10:00:00Z","data":{"labels":5,"starts_at":5}}',
    ],
)
def test_any_other_message_is_rejected(value: bytes) -> None:
    with pytest.raises(InvalidMessage):
        catalogue.decode_message(value)
    with pytest.raises(InvalidMessage):
        decode_dead_letter(value)


def test_a_dead_letter_has_the_original_bytes_the_position_and_the_reason() -> None:
    position: dict[str, Any] = {"topic": "jobs", "partition": 3, "offset": 120, "reason": "data.stars: missing"}
    message = encode_dead_letter(
        DeadLetter(**position, value=b"\xff{", key=b"job-17", headers=(("ce_id", b"\x00"), ("x", None))),
        time=1_795_255_200_000_000,
    )
    envelope = json.loads(message)
    assert (envelope["type"], envelope["subject"], envelope["time"]) == (
        "dead-letter",
        "job-17",
        "2026-11-21T10:00:00Z",
    )
    assert {name: envelope["data"][name] for name in position} == position
    assert base64.b64decode(envelope["data"]["value"]) == b"\xff{"
    letter = decode_dead_letter(message)
    assert (letter.value, letter.key, letter.headers) == (b"\xff{", b"job-17", (("ce_id", b"\x00"), ("x", None)))


@pytest.mark.parametrize("value", [None, b"", b"\x00"])
def test_a_dead_letter_distinguishes_a_null_value_from_an_empty_one(value: bytes | None) -> None:
    message = encode_dead_letter(DeadLetter(topic="f", partition=0, offset=1, reason="value: missing", value=value))
    assert json.loads(message)["data"]["value"] == (None if value is None else base64.b64encode(value).decode())
    assert decode_dead_letter(message).value == value


def test_a_header_name_that_is_not_utf_8_is_readable_in_a_dead_letter_and_complete() -> None:
    headers = (("caf\udce9", b"1"), ("caf\ufffd", None), ("plain", b""))
    message = encode_dead_letter(
        DeadLetter(topic="f", partition=0, offset=1, reason="value: missing", value=b"", headers=headers)
    )
    data = json.loads(message)["data"]
    assert data["headers"] == [["caf\ufffd", "MQ=="], ["caf\ufffd", None], ["plain", ""]]
    names = [base64.b64decode(name) for name in data["header_names"]]
    assert names == [b"caf\xe9", "caf\ufffd".encode(), b"plain"]
    letter = decode_dead_letter(message)
    assert (letter.headers, letter.header_names) == (headers, ())


def test_a_dead_letter_with_fewer_names_than_headers_is_rejected() -> None:
    message = encode_dead_letter(
        DeadLetter(topic="f", partition=0, offset=1, reason="r: x", value=b"", headers=(("\udcff", b""), ("b", b"")))
    )
    envelope = json.loads(message)
    envelope["data"]["header_names"].pop()
    with pytest.raises(InvalidMessage):
        decode_dead_letter(json.dumps(envelope).encode())


@pytest.mark.parametrize("key", [None, b"", b"\xff"])
def test_a_dead_letter_without_a_readable_key_has_no_subject(key: bytes | None) -> None:
    message = encode_dead_letter(DeadLetter(topic="f", partition=0, offset=1, reason="r: x", value=b"", key=key))
    assert json.loads(message).keys().isdisjoint({"subject", "time"})
    assert decode_dead_letter(message).key == key
