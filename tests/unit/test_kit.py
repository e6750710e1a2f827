"""The test kit: what its streams contain, and that two ledgers and a replay agree with the ledgers in it."""

import json
import re
import sqlite3
from itertools import pairwise
from pathlib import Path
from typing import Any

import penalty_ledger
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.sops.catalogue import POLICIES, decode_message
from schemas.codec.limits import Limits
from schemas.outputs import DecisionMessage
from schemas.timestamps import DAY_US
from sop_client import Inbox, PostingTable, Record
from streams.kit.export import export_kit, kit_files
from streams.kit.posting import ledger, posting_table
from streams.kit.scenario import arriving_events
from streams.replay.input_record import InputRecord
from streams.replay.replay import ReplaySettings, replay_sequentially
from tests.kit import KitStream, batches, books, expected_books, journal, kit

STREAMS = kit()


class Books:
    """A ledger in memory."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:")
        self.inbox = Inbox(self.connection, paramstyle=sqlite3.paramstyle)
        self.inbox.create_tables()
        self.ledger = penalty_ledger.Ledger(self.connection, "?")
        self.ledger.create_tables()

    def read(self, records: list[Record], *, batch: int = 50) -> dict[str, Any]:
        for each in batches(records, batch):
            self.inbox.apply(each, self.ledger.post)
        return books(self.connection)


@pytest.mark.parametrize("name", STREAMS)
def test_the_ledger_of_the_example_is_that_of_the_kit(name: str) -> None:
    stream = STREAMS[name]
    assert Books().read(stream.inbox_records(), batch=7) == expected_books(stream.ledger)


@pytest.mark.parametrize("name", STREAMS)
def test_the_balances_of_the_kit_are_the_sums_of_its_lines(name: str) -> None:
    lines = [line for each in STREAMS[name].ledger["decisions"] for line in each["lines"]]
    for balance in STREAMS[name].ledger["balances"]:
        place = {**balance, "amount": None}
        assert sum(float(line["amount"]) for line in lines if {**line, "amount": None} == place) == float(
            balance["amount"]
        )


@given(st.permutations(STREAMS["unknown-values"].inbox_records()))
@settings(max_examples=20)
def test_revisions_in_any_order_lead_to_the_same_balances(records: list[Record]) -> None:
    assert Books().read(records) == expected_books(STREAMS["unknown-values"].ledger)


def naive_books(records: list[Record], *, guards: bool = True, takes_back: bool = True) -> dict[str, str]:
    """Return what PAF revisions lead to, by decision key, for a reader that makes some mistake."""
    held: dict[str, tuple[int, str]] = {}
    for record in records:
        data = json.loads(record.value)["data"] if record.value else {}
        if data.get("kind") != "paf":
            continue
        key, revision, status = data["decision_key"], data["revision"], data["status"]
        if guards and revision <= held.get(key, (0, ""))[0]:
            continue
        if status == "final" or takes_back:
            held[key] = revision, data["outcome"] if status == "final" else ""
    return {key: outcome for key, (_, outcome) in held.items() if outcome}


@pytest.mark.parametrize(
    ("name", "mistake"), [("duplicated", {"guards": False}), ("final-then-provisional", {"takes_back": False})]
)
def test_a_reader_of_penalties_alone_cannot_pass_with_a_mistake(name: str, mistake: dict[str, bool]) -> None:
    records = STREAMS[name].inbox_records()
    assert naive_books(records, **mistake) != naive_books(records)


def test_what_waits_for_a_person_is_posted_once_its_rule_is_known() -> None:
    stream, reader = STREAMS["unknown-values"], Books()
    before = reader.read(stream.inbox_records())
    (suspended,) = (key for key in before["review"] if key.startswith("job-upheld|paf|"))
    document = json.loads(kit_files()["posting_table.json"])
    lines = [{"account": "penalties", "side": "debit", "amount": "1"}]
    key = {"kind": "paf", "subject_of": "out_of_scope", "outcome": "suspended", "status": "final"}
    document["rules"].append({**key, "lines": lines, "meaning": "a rule of a later version"})
    reader.ledger._table = PostingTable(json.dumps(document))
    assert reader.read(stream.inbox_records()) == before
    reader.inbox.forget(before["review"])
    assert reader.inbox.positions() == {}
    after = reader.read(stream.inbox_records())
    assert [key for key in before["review"] if key not in after["review"]] == [suspended]
    penalties = [
        sum(float(each["amount"]) for each in books["balances"] if each["account"] == "penalties")
        for books in (before, after)
    ]
    assert penalties[1] == penalties[0] + 1


def test_reading_everything_again_adds_no_entry() -> None:
    reader = Books()
    reader.read(STREAMS["plain"].inbox_records())
    before = journal(reader.connection)
    reader.read(STREAMS["from-the-start-again"].inbox_records())
    assert journal(reader.connection) == before != []


def replayed_in_order_of_time() -> list[bytes]:
    """Return what a replay decides from the kit's events, whose late ones it takes in time."""
    lines = kit_files()["events.jsonl"].splitlines()
    records = [InputRecord("events", 0, number, line) for number, line in enumerate(lines, 1)]
    until = max(each.at for each in arriving_events()) + 30 * DAY_US
    replay = ReplaySettings(policies=POLICIES.load_all(()), limits=Limits(), facts_per_case_max=1000, until=until)
    return [*replay_sequentially(records, replay).lines]


def test_a_replay_of_the_same_events_leads_to_the_same_balances() -> None:
    decisions = [each for each in map(decode_message, replayed_in_order_of_time()) if isinstance(each, DecisionMessage)]
    found = ledger(decisions, posting_table())
    wanted = STREAMS["plain"].ledger
    assert (found["balances"], found["review"]) == (wanted["balances"], wanted["review"])
    records = [Record("replay", 0, at, line) for at, line in enumerate(replayed_in_order_of_time())]
    assert Books().read(records)["balances"] == wanted["balances"]


def decisions_of(stream: KitStream) -> list[dict[str, Any]]:
    events = [json.loads(each.value) for each in stream.records if each.value and each.topic.startswith("decisions")]
    return [event["data"] for event in events]


def test_the_streams_contain_what_their_names_say() -> None:
    outcomes = {each["outcome"] for each in decisions_of(STREAMS["withdrawals"])}
    assert "withdrawn" in outcomes
    assert all(len({each["revision"] for each in decisions_of(STREAMS[name])}) > 1 for name in STREAMS)
    chains: dict[tuple[str, str], list[str]] = {}
    for each in decisions_of(STREAMS["provisional-then-final"]):
        chains.setdefault((each["case_id"], each["kind"]), []).append(each["status"])
    assert ["provisional", "final"] in chains.values()
    assert all("priority" in each for each in decisions_of(STREAMS["new-field"]))
    assert {"suspended", "bonus"} <= {each["outcome"] for each in decisions_of(STREAMS["unknown-values"])}
    ids = [each["decision_id"] for each in decisions_of(STREAMS["duplicated"])]
    assert len(ids) > len({*ids}) == len({each["decision_id"] for each in decisions_of(STREAMS["plain"])})


@pytest.mark.parametrize("name", sorted({*STREAMS} - {"from-the-start-again"}))
def test_offsets_of_a_partition_increase_and_those_of_transactions_are_missing(name: str) -> None:
    places: dict[tuple[str, int], list[int]] = {}
    for each in STREAMS[name].records:
        places.setdefault((each.topic, each.partition), []).append(each.offset)
    assert all(before < after for offsets in places.values() for before, after in pairwise(offsets))
    if name not in ("duplicated", "null-values"):  # which are copies
        assert any(after > before + 1 for offsets in places.values() for before, after in pairwise(offsets))


def test_the_same_state_comes_of_every_topic_of_last_revisions() -> None:
    assert STREAMS["latest"].ledger == STREAMS["latest-compacted"].ledger == STREAMS["unknown-values"].ledger
    keys = [each.key for each in STREAMS["latest-compacted"].records]
    assert len(keys) == len({*keys})
    assert [*{each["decision_key"] for each in STREAMS["latest"].ledger["decisions"]} ^ {*keys}] == []


def test_the_kit_is_the_same_every_time_and_has_what_its_list_says(tmp_path: Path) -> None:
    written = export_kit(tmp_path / "kit")
    assert {path.name: path.read_bytes() for path in written} == kit_files()
    content = json.loads((tmp_path / "kit" / "kit.json").read_text())
    named = {content["events"], content["posting_table"], "kit.json"}
    named |= {each[part] for each in content["streams"] for part in ("records", "ledger")}
    assert {path.name for path in (tmp_path / "kit").iterdir()} == named


def test_every_rule_of_the_posting_table_occurs_but_for_tags() -> None:
    values = ("kind", "subject_of", "outcome", "status")
    seen = {tuple(each[name] for name in values) for name in STREAMS for each in decisions_of(STREAMS[name])}
    missing = {rule.key for rule in posting_table().rules if rule.kind != "tagging"} - seen
    assert missing == {
        ("rating_reversal", "out_of_scope", "withdrawn", "final"),  # only a ticket that changes hands withdraws one
        ("refund", "offline_service", "withdrawn", "final"),
    }


def test_the_message_on_the_page_is_one_of_the_kit() -> None:
    page = (Path(__file__).parents[2] / "docs" / "consuming.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    messages = [json.loads(record.value or "") for record in STREAMS["plain"].records]
    assert json.loads(shown) in messages
