"""Any input is decoded or rejected; encoded outputs are decoded unchanged; canonical JSON is that of RFC 8785."""

import hashlib
import json
import re
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from agents.sops import catalogue
from agents.sops.offline_service.refund import RefundDecision
from agents.sops.out_of_scope.paf import PafDecision
from agents.sops.out_of_scope.rating_reversal import RatingReversalDecision
from agents.sops.tagging import TaggingDecision
from schemas.codec.canonical_json import canonical_json
from schemas.codec.decoder import decode_record
from schemas.codec.encoder import content_hash, decision_data, decode_dead_letter, encode_message
from schemas.codec.event_digest import event_digest
from schemas.codec.limits import Limits
from schemas.errors import InvalidMessage
from schemas.events import EVENT_TYPES, FIELDS, Money
from schemas.outputs import DecisionBody, DecisionMessage
from tests.inbound import DATA, envelope, packed_and_unpacked

LIMITS = Limits()
WITH_FIELDS = sorted(name for name, fields in FIELDS.items() if fields)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SAFE_INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | SAFE_INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
TEXT_JSON = st.recursive(
    st.none() | st.booleans() | SAFE_INTEGERS | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="ascii")), inner, max_size=4)
    ),
    max_leaves=12,
)
INSTANTS = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)
TEXTS = st.lists(TEXT, max_size=3).map(lambda items: tuple(sorted(set(items))))


def decode_or_reject(value: bytes, headers: list[tuple[str, bytes | None]] | None = None) -> None:
    try:
        event = decode_record(value, headers, LIMITS, 0)
    except InvalidMessage as error:
        reason = error.reason
    else:
        reason = "none: " if packed_and_unpacked(event) == event else "checkpoint: it changed"
    assert re.match(r"(value|none|data_base64|[a-z]+|data(\.[a-z0-9_]+)+): [^\n\r]*\Z", reason), reason
    assert not reason.startswith("checkpoint")


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_rejected(value: bytes) -> None:
    decode_or_reject(value)
    decode_or_reject(value, [("ce_specversion", value), ("ce_id", None), ("x", value)])
    for decode in (catalogue.decode_message, decode_dead_letter):
        with pytest.raises(InvalidMessage):
            decode(value)


@given(st.sampled_from(WITH_FIELDS), st.data())
def test_any_json_in_any_member_is_decoded_or_rejected(event_type: str, data: st.DataObject) -> None:
    event = envelope(event_type)
    for _ in range(data.draw(st.integers(1, 3))):
        part = data.draw(st.sampled_from([event, event["data"]]))
        part[data.draw(st.sampled_from(sorted(part)))] = data.draw(JSON)
        if not event["data"] or not isinstance(event["data"], dict):
            break
    decode_or_reject(json.dumps(event).encode())


@given(st.data())
def test_the_first_invalid_field_in_the_order_of_the_contract_is_named(data: st.DataObject) -> None:
    event_type = data.draw(st.sampled_from(WITH_FIELDS))
    names = [field.name for field in FIELDS[event_type]]
    wrong = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    event = envelope(event_type)
    event["data"] = dict(reversed((event["data"] | {name: [] for name in wrong}).items()))
    with pytest.raises(InvalidMessage) as error:
        decode_record(json.dumps(event).encode(), None, LIMITS)
    assert error.value.reason.startswith(f"data.{min(wrong, key=names.index)}: ")


@given(TEXT_JSON)
def test_text_and_integers_are_encoded_as_canonical_json(value: Any) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)


def rewritten(value: Any) -> Any:
    """Return an equal JSON value in another notation: members reversed, nulls added, integers as floats."""
    if isinstance(value, dict):
        reversed_members = {name: rewritten(item) for name, item in reversed(value.items())}
        return {"new": None, **reversed_members} if "new" not in reversed_members else reversed_members
    if isinstance(value, list):
        return [rewritten(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


@given(st.dictionaries(TEXT, JSON, max_size=5))
def test_the_digest_is_that_of_the_json_value(data: dict[str, Any]) -> None:
    assert event_digest("t", "s", 0, data) == event_digest("t", "s", 0, rewritten(data))
    assert event_digest("t", "s", 0, data) != event_digest("t", "s", 0, {**data, "one more": 1.5})


MONEY = st.builds(Money, st.sampled_from(["0", "10.50"]), st.sampled_from(["INR", "USD"]))
COMMON = {
    "subject_of": st.sampled_from(["out_of_scope", "offline_service"]),
    "case_id": TEXT,
    "partner_id": st.none() | TEXT,
    "status": st.sampled_from(["provisional", "final"]),
    "outcome": TEXT,
    "reasons": TEXTS,
    "clauses": TEXTS,
    "evidence": TEXTS,
    "policy": TEXT,
    "effective_at": INSTANTS,
}
BODIES = st.one_of(
    st.builds(TaggingDecision, **COMMON, proof_url=TEXT),
    st.builds(PafDecision, **COMMON, counts_in_mg=st.none() | st.booleans()),
    st.builds(RatingReversalDecision, **COMMON),
    st.builds(RefundDecision, **COMMON, proven_amount=MONEY),
)


@given(BODIES)
def test_the_content_hash_is_over_the_canonical_form(body: DecisionBody) -> None:
    assert content_hash(body) == hashlib.sha256(rfc8785.dumps(decision_data(body))).hexdigest()[:32]


@given(BODIES, st.none() | TEXT)
def test_an_encoded_decision_is_decoded_unchanged(body: DecisionBody, inputs: str | None) -> None:
    message = DecisionMessage(
        body=body,
        decision_id="d",
        content_hash=content_hash(body),
        revision=1,
        supersedes=None,
        changed=(),
        explanation="",
        inputs=inputs,
    )
    assert catalogue.decode_message(encode_message(message)) == message


@given(st.sampled_from(list(EVENT_TYPES)), TEXT, TEXT.filter(str.strip))
def test_a_structured_and_a_binary_record_hold_the_same_event(event_type: str, unknown: str, subject: str) -> None:
    event = decode_record(json.dumps(envelope(event_type, subject=subject, extra=unknown)).encode(), None, LIMITS)
    assert (event.subject, event.type) == (subject, event_type)
    binary = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"e-1"),
        ("ce_source", b"/apps/partner"),
        ("ce_type", event_type.encode()),
        ("ce_subject", subject.encode()),
        ("ce_time", b"2026-11-21T15:30:00+05:30"),
    ]
    assert decode_record(json.dumps(DATA[event_type]).encode(), binary, LIMITS) == event
