"""The test kit for consumers as tests use it, and what came of a ledger in the form of the kit."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

import penalty_ledger

from sop_client import Connection, Record
from streams.kit.export import kit_files


class KitRecord(NamedTuple):
    """A record of a stream; all parts are text, the value perhaps null."""

    topic: str
    partition: int
    offset: int
    key: str
    value: str | None
    headers: list[tuple[str, str]]


class KitStream(NamedTuple):
    """A stream of the kit and the ledger that must result."""

    name: str
    topics: tuple[str, ...]
    records: tuple[KitRecord, ...]
    ledger: dict[str, Any]

    def inbox_records(self) -> list[Record]:
        """Return what a ledger reads, as the client takes it."""
        return [
            Record(each.topic, each.partition, each.offset, each.value, each.headers)
            for each in self.records
            if each.topic in self.topics
        ]


@cache
def kit() -> dict[str, KitStream]:
    """Return the streams by name, as they are in the files."""
    files = kit_files()
    found = {}
    for entry in json.loads(files["kit.json"])["streams"]:
        records = tuple(map(_record, files[entry["records"]].splitlines()))
        ledger = json.loads(files[entry["ledger"]])
        found[entry["name"]] = KitStream(entry["name"], tuple(entry["topics"]), records, ledger)
    return found


def _record(line: bytes) -> KitRecord:
    record = json.loads(line)
    del record["timestamp_ms"]
    return KitRecord(**{**record, "headers": [(name, text) for name, text in record["headers"]]})


def books(connection: Connection, marker: str = "?") -> dict[str, Any]:
    """Return what a ledger holds, in the form of the kit's ledgers: for each decision only what identifies it."""
    ledger = penalty_ledger.Ledger(connection, marker)
    balances = [
        {"account": line.account, "holder": line.holder, "unit": line.unit, "amount": f"{line.amount:.4f}"}
        for line in ledger.balances()
    ]
    cursor = connection.cursor()
    cursor.execute("SELECT decision_key, revision, decision_id FROM sop_decisions")
    return {
        "decisions": sorted(cursor.fetchall()),
        "balances": balances,
        "review": sorted(key for key, _ in ledger.reviews()),
    }


def expected_books(ledger: dict[str, Any]) -> dict[str, Any]:
    """Return a ledger of the kit in the form of `books`."""
    decisions = [(each["decision_key"], each["revision"], each["decision_id"]) for each in ledger["decisions"]]
    return {**ledger, "decisions": sorted(decisions)}


def journal(connection: Connection) -> list[tuple[Any, ...]]:
    """Return all entries of a ledger in an order that does not depend on partitions."""
    cursor = connection.cursor()
    cursor.execute("SELECT decision_key, revision, account, holder, unit, ten_thousandths FROM ledger_entries")
    return sorted(tuple(row) for row in cursor.fetchall())


def batches(records: Iterable[Record], size: int) -> list[list[Record]]:
    """Return records in batches of a size."""
    records = [*records]
    return [records[at : at + size] for at in range(0, len(records), size)]
