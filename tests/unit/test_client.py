"""The Python client: every message of the kit as a typed value, and an inbox that applies each revision once."""

import json
import sqlite3
import typing
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pytest

from agents.sops.catalogue import OUTPUTS
from schemas.codec.schema_ids import URN_IDS
from schemas.jsonschema.examples import examples
from schemas.jsonschema.messages import message_schemas
from sop_client import (
    Action,
    Alert,
    Decision,
    Event,
    Inbox,
    InvalidMessageError,
    Money,
    NeedsReviewError,
    Paf,
    PostingTable,
    Record,
    Refund,
    difference,
    parse,
)
from sop_client.messages import KINDS
from tests.kit import kit

PUBLISHED: dict[str, Any] = message_schemas(OUTPUTS, URN_IDS, examples(URN_IDS))
PLAIN = [(each.topic, each.value or "") for each in kit()["plain"].records]
TYPES: dict[str, type[Event]] = {
    "action": Action,
    "alert": Alert,
    **{f"decision.{kind}": message for kind, message in KINDS.items()},
}


def upheld(**data: Any) -> dict[str, Any]:
    """Return a PAF decision of the kit, with some fields changed."""
    events = [json.loads(value) for topic, value in PLAIN if topic == "decisions.paf"]
    event = next(each for each in events if each["data"]["outcome"] == "upheld")
    assert isinstance(event, dict)
    return {**event, "data": {**event["data"], **data}}


def record(event: Any, offset: int = 0) -> Record:
    return Record("decisions.paf", 0, offset, json.dumps(event))


# Messages


def test_the_client_knows_every_kind_of_message() -> None:
    assert {name for name in PUBLISHED if name.startswith(("decision.", "action", "alert"))} == {*TYPES}


@pytest.mark.parametrize("name", TYPES)
def test_a_message_has_the_fields_of_its_schema(name: str) -> None:
    own = {each.name for each in fields(TYPES[name])} - {each.name for each in fields(Event)}
    assert own == {*PUBLISHED[name]["properties"]}


@pytest.mark.parametrize("name", TYPES)
def test_a_field_may_be_absent_where_its_schema_allows_that(name: str) -> None:
    hints = typing.get_type_hints(TYPES[name])
    required = {*PUBLISHED[name]["required"], "decision_key"}  # made from other fields where it is absent
    for each in PUBLISHED[name]["properties"]:
        assert each in required or type(None) in typing.get_args(hints[each]), each


def test_every_message_of_the_kit_is_read_with_all_its_values() -> None:
    for _, text in PLAIN:
        event = json.loads(text)
        message = parse(text.encode(), [("content-type", b"application/cloudevents+json; charset=utf-8")])
        assert type(message) is TYPES[event["type"]]
        assert message.data == event["data"]
        assert (message.id, message.subject) == (event["id"], event["subject"])
        for name, value in event["data"].items():
            read = getattr(message, name)
            assert as_json(read) == (instant(value) if isinstance(read, datetime) else value)


def as_json(value: object) -> object:
    if isinstance(value, Money):
        return {"amount": value.amount, "currency": value.currency}
    return [*value] if isinstance(value, tuple) else value


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_what_a_later_version_adds_is_read() -> None:
    message = parse(json.dumps(upheld(outcome="suspended", appealed_by="p-1")))
    assert isinstance(message, Paf)
    assert (message.outcome, message.data["appealed_by"]) == ("suspended", "p-1")
    unknown = parse(json.dumps({**upheld(kind="loyalty"), "type": "decision.loyalty"}))
    assert (type(unknown), unknown.data["kind"]) == (Decision, "loyalty")
    assert type(parse(json.dumps({**upheld(), "type": "receipt"}))) is Event


def test_a_message_that_a_bridge_made_binary_is_read() -> None:
    event = upheld()
    headers = [(f"ce_{name}", str(value).encode()) for name, value in event.items() if name != "data"]
    binary = parse(json.dumps(event["data"]), [*headers, ("content-type", b"application/json"), ("empty", None)])
    assert binary == parse(json.dumps(event))


@pytest.mark.parametrize("name", ["decision_id", "revision", "changed", "case_id", "status", "outcome", "effective_at"])
def test_a_required_field_of_another_type_is_named(name: str) -> None:
    value: object
    for value in (None, {}, 5.5):
        with pytest.raises(InvalidMessageError, match=rf"^data\.{name}: "):
            parse(json.dumps(upheld(**{name: value})))


@pytest.mark.parametrize(
    "value", [b"", b"\xff", "[]", "{}", '{"type": 5, "data": {}}', '{"type": "action"}', "[" * 9999]
)
def test_what_is_no_message_is_refused(value: str | bytes) -> None:
    with pytest.raises(InvalidMessageError):
        parse(value)


def test_the_key_of_a_decision_that_has_none_is_made_from_its_parts() -> None:
    event = upheld(case_id="job 1|a", partner_id=None)
    event["data"].pop("decision_key", None)
    paf = parse(json.dumps(event))
    assert isinstance(paf, Decision)
    assert paf.decision_key == "job%201%7Ca|paf|out_of_scope|"
    event["data"] |= {"kind": "refund", "subject_of": "offline_service", "partner_id": "p-1"}
    refund = parse(json.dumps({**event, "type": "decision.refund"}))
    assert isinstance(refund, Refund)
    assert refund.decision_key == "job%201%7Ca|refund|offline_service"


# Posting


def test_a_decision_without_the_account_s_holder_needs_a_person() -> None:
    event = upheld(status="final", partner_id=None)
    decision = parse(json.dumps(event))
    assert isinstance(decision, Decision)
    with pytest.raises(NeedsReviewError, match="no partner_id"):
        PostingTable.current().lines(decision)


def test_a_refund_without_its_amount_needs_a_person() -> None:
    event = upheld(kind="refund", subject_of="offline_service", outcome="eligible_full", status="final")
    decision = parse(json.dumps({**event, "type": "decision.refund"}))
    assert isinstance(decision, Decision)
    with pytest.raises(NeedsReviewError, match="no proven_amount"):
        PostingTable.current().lines(decision)


def test_the_difference_takes_back_what_does_not_stand_any_more() -> None:
    decision = parse(json.dumps(upheld(status="final")))
    assert isinstance(decision, Decision)
    (debit,) = lines = PostingTable.current().lines(decision)
    assert (debit.account, debit.unit, str(debit.amount)) == ("penalties", "PAF", "1.0000")
    assert difference(lines, lines) == ()
    assert [each.ten_thousandths for each in difference((), lines)] == [-10_000]


# Inbox


class Applied:
    """An inbox in memory and the revisions that it had handled; a revision in `failing` raises."""

    def __init__(self, connection: sqlite3.Connection | None = None) -> None:
        self.connection = connection or sqlite3.connect(":memory:")
        self.inbox = Inbox(self.connection, paramstyle=sqlite3.paramstyle)
        self.inbox.create_tables()
        self.connection.execute("CREATE TABLE IF NOT EXISTS handled (revision INTEGER)")
        self.failing: set[int] = set()

    def handle(self, decision: Decision) -> None:
        self.connection.execute("INSERT INTO handled VALUES (?)", [decision.revision])
        if decision.revision in self.failing:
            raise LookupError

    @property
    def revisions(self) -> list[int]:
        return [number for (number,) in self.connection.execute("SELECT revision FROM handled")]


def test_a_revision_is_applied_once_and_never_after_a_later_one() -> None:
    reader = Applied()
    revisions = (1, 1, 2, 5, 3, 4, 5, 6)  # between 2 and 5 some were compacted away, 3 and 4 come again
    records = [record(upheld(revision=number), at) for at, number in enumerate(revisions)]
    assert reader.inbox.apply(records, reader.handle) == 4
    assert reader.revisions == [1, 2, 5, 6]
    assert reader.inbox.positions() == {("decisions.paf", 0): 8}


def test_a_failure_leaves_nothing_behind_and_the_batch_can_be_repeated() -> None:
    reader = Applied()
    reader.inbox.apply([record(upheld(revision=1))], reader.handle)
    batch = [record(upheld(revision=2), 1), record(upheld(revision=3), 2)]
    reader.failing = {3}
    with pytest.raises(LookupError):
        reader.inbox.apply(batch, reader.handle)
    assert (reader.revisions, reader.inbox.positions()) == ([1], {("decisions.paf", 0): 1})
    reader.failing = set()
    assert reader.inbox.apply(batch, reader.handle) == 2
    assert reader.revisions == [1, 2, 3]


def test_time_that_goes_back_does_not_matter() -> None:
    reader = Applied()
    later, earlier = upheld(revision=1), upheld(revision=2)
    earlier["data"]["effective_at"] = earlier["time"] = "2020-01-01T00:00:00Z"
    reader.inbox.apply([record(later), record(earlier, 1)], reader.handle)
    assert reader.revisions == [1, 2]


def test_records_that_are_no_decisions_only_move_the_position() -> None:
    reader = Applied()
    action = next(value for topic, value in PLAIN if topic == "actions")
    records = [Record("actions", 2, 7, action), Record("decisions.latest", 1, 4, None)]
    assert reader.inbox.apply(records, reader.handle) == 0
    assert reader.inbox.positions() == {("actions", 2): 8, ("decisions.latest", 1): 5}


def test_a_record_that_is_no_message_is_named_with_its_place() -> None:
    reader = Applied()
    with pytest.raises(InvalidMessageError, match=r"^decisions\.paf-0@9: value: "):
        reader.inbox.apply([Record("decisions.paf", 0, 9, b"{")], reader.handle)


def test_an_inbox_goes_on_where_the_last_one_stopped(tmp_path: Any) -> None:
    for number in (1, 2):
        reader = Applied(sqlite3.connect(tmp_path / "inbox.db"))
        assert reader.inbox.positions() == ({} if number == 1 else {("decisions.paf", 0): 1})
        reader.inbox.apply([record(upheld(revision=number), number - 1)], reader.handle)
        assert reader.revisions == [*range(1, number + 1)]
        reader.connection.close()


def test_a_connection_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(ValueError, match="autocommit"):
        Inbox(sqlite3.connect(":memory:", isolation_level=None), paramstyle="qmark")
    with pytest.raises(ValueError, match="'named'"):
        Inbox(sqlite3.connect(":memory:"), paramstyle="named")
