"""Writes the test kit for consumers: recorded streams, each with the ledger that must result (docs/consuming.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from agents.sops.catalogue import OUTPUTS
from schemas.outputs import DecisionMessage
from schemas.topics import LATEST, decision_topic
from streams.kit import recording
from streams.kit.additions import with_new_fields, with_unknown_values
from streams.kit.deciding import Emitted, decide
from streams.kit.posting import PostingTable, ledger, posting_table, posting_table_bytes
from streams.kit.recording import Record, on_latest, on_topics
from streams.kit.scenario import arriving_events

VERSION: Final = 1
KIT: Final = "kit"
"""The folder of the kit in an export of the contract."""
EVENTS: Final = "events.jsonl"
POSTING_TABLE: Final = "posting_table.json"
MANIFEST: Final = "kit.json"

CORRECTED: Final = (
    *("job-claimed-late", "job-upheld-then-waived", "job-verdict-changed", "job-rating-denied-later"),
    *("ticket-refund-taken-back", "ticket-other-currency", "job-partial-refund"),
)
WITHDRAWN: Final = ("job-of-another-partner", "job-assigned-late")
MADE_FINAL: Final = ("job-upheld", "job-rating-granted", "ticket-refund", "job|ü/50%#")


class Stream(Struct, frozen=True):
    """A recorded stream: the topics that a ledger reads, the records in order of delivery, and the messages in it."""

    name: str
    what: str
    topics: tuple[str, ...]
    records: Iterable[Record]
    emitted: Iterable[Emitted]


def export_kit(directory: Path) -> list[Path]:
    """Write the kit to a directory, which is created if missing; return the paths. The same bytes on every machine.

    Raises OSError if a file cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    return [_written(directory / name, content) for name, content in kit_files().items()]


def kit_files() -> dict[str, bytes]:
    """Return the content of every file of the kit, by name."""
    table = posting_table()
    files = {EVENTS: b"".join(each.line + b"\n" for each in arriving_events()), POSTING_TABLE: posting_table_bytes()}
    entries = []
    for stream in streams():
        entry = {
            "name": stream.name,
            "records": f"{stream.name}.jsonl",
            "ledger": f"{stream.name}.ledger.json",
            "topics": stream.topics,
            "what": stream.what,
        }
        entries.append(entry)
        files[f"{stream.name}.jsonl"] = b"".join(msgspec.json.encode(record) + b"\n" for record in stream.records)
        files[f"{stream.name}.ledger.json"] = _document(_ledger(stream, table))
    files[MANIFEST] = _document(
        {"version": VERSION, "posting_table": POSTING_TABLE, "events": EVENTS, "streams": entries}
    )
    return files


def streams() -> Iterator[Stream]:
    """Yield the streams of the kit."""
    emitted = [*decide(arriving_events())]
    topics = tuple(decision_topic(kind) for kind in OUTPUTS.bodies)
    for name, what, records in (
        ("plain", "Every message once, in the order of writing.", [*on_topics(emitted)]),
        (
            "partition-by-partition",
            "The same, read one partition after the other, as a reader does that catches up.",
            recording.partition_by_partition(on_topics(emitted)),
        ),
        (
            "duplicated",
            "Every third message twice, and at the end all superseded revisions again, as a mirror may write them.",
            recording.written_twice(on_topics(emitted)),
        ),
        (
            "from-the-start-again",
            "A reader whose positions are reset to the start after two thirds.",
            recording.from_the_start_again(on_topics(emitted)),
        ),
        ("gaps", "Every second revision is missing, unless it is the last.", recording.with_gaps(on_topics(emitted))),
        ("null-values", "Records without a value in between.", recording.with_nulls(on_topics(emitted))),
        (
            "new-field",
            "Every message with fields that nobody knows yet, in the envelope and in data.",
            [*with_new_fields(on_topics(emitted))],
        ),
    ):
        yield Stream(name, what, topics, records, emitted)
    for name, what, case_ids in (
        ("corrections", "Decisions that later facts change, final ones too.", CORRECTED),
        ("withdrawals", "Decisions that late assignments withdraw or give to another partner.", WITHDRAWN),
        ("provisional-then-final", "Decisions that are provisional at first.", MADE_FINAL),
    ):
        some = [each for each in emitted if _case_id(each) in case_ids]
        yield Stream(name, what, topics, [*on_topics(some)], some)
    reopened = [*_reopened(emitted)]
    yield Stream(
        "final-then-provisional",
        "Final decisions that a late fact makes provisional again, and nothing after that.",
        topics,
        [*on_topics(reopened)],
        reopened,
    )
    unknown = with_unknown_values(emitted)
    yield Stream(
        "unknown-values",
        "An outcome, a reason and a kind that nobody knows yet.",
        (*topics, decision_topic("loyalty")),
        [*on_topics(unknown)],
        unknown,
    )
    latest = [*on_latest(unknown)]
    yield Stream("latest", "The topic of last revisions before it is compacted.", (LATEST,), latest, unknown)
    yield Stream(
        "latest-compacted",
        "The topic of last revisions after compaction: revisions and offsets have gaps.",
        (LATEST,),
        recording.compacted(latest),
        unknown,
    )


def _reopened(emitted: Iterable[Emitted]) -> Iterator[Emitted]:
    """Yield the chains of decisions that become provisional after they were final, up to there."""
    chains: dict[str, list[Emitted]] = {}
    for each in emitted:
        if isinstance(each.message, DecisionMessage):
            chains.setdefault(each.message.decision_key, []).append(each)
    for chain in chains.values():
        statuses = [each.message.body.status for each in chain]  # type: ignore[union-attr] # decisions only
        ends = [at for at, pair in enumerate(pairwise(statuses), 2) if pair == ("final", "provisional")]
        yield from chain[: ends[0]] if ends else ()


def _case_id(emitted: Emitted) -> str | None:
    body = emitted.message.body
    return getattr(body, "case_id", None)


def _ledger(stream: Stream, table: PostingTable) -> dict[str, object]:
    return ledger((each.message for each in stream.emitted if isinstance(each.message, DecisionMessage)), table)


def _document(content: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
