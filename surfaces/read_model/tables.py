"""The tables of the read model, the same in SQLite and PostgreSQL.

Cases, partners and sources have numbers, so that rows and indexes are small. Text that rows are looked up by has passed
`lookup`. What a record holds beyond that, personal data included, is in the bytes of the record alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    literal_column,
)
from sqlalchemy.types import TypeEngine

from schemas.codec.canonical_json import digest32
from surfaces.read_model.views import RowKind

VERSION: Final = 3
"""The version of the tables. A store of another version is made anew from Kafka."""
LOOKUP_CHARS: Final = 256
"""Longer text is shortened, since PostgreSQL's indexes take some 2,700 bytes."""

metadata: Final = MetaData()

# A primary key of this type is SQLite's own row number. Names sort by their bytes in both databases, so that a prefix
# is a range of an index.
_Number: Final[TypeEngine[int]] = BigInteger().with_variant(Integer, "sqlite")
_Name: Final[TypeEngine[str]] = Text().with_variant(Text(collation="C"), "postgresql")


def lookup(value: str) -> str:
    """Return text as rows are looked up by it: without NUL, which PostgreSQL does not take, and not too long."""
    value = stored_text(value)
    return value if len(value) <= LOOKUP_CHARS else f"{value[: LOOKUP_CHARS - 33]}~{digest32(value.encode())}"


def pair(name: str, value: str) -> str:
    """Return a name and a value in one column, so that one index finds them, and a planner knows how rare they are."""
    return f"{name}:{lookup(value)}"


def stored_text(value: str) -> str:
    """Return text without NUL, which PostgreSQL does not take."""
    return value.replace("\0", "\ufffd")


def _number(name: str, *, primary_key: bool = False, optional: bool = False) -> Column[int]:
    return Column(name, _Number, primary_key=primary_key, nullable=optional, autoincrement=False)


def _name(name: str, *, optional: bool = False) -> Column[str]:
    return Column(name, _Name, nullable=optional)


def _record() -> tuple[Column[int] | Column[bytes], ...]:
    """Return the columns of a record as it came; `headers` are packed, and null if there are none."""
    return (
        _number("source_no"),
        Column("offset", BigInteger, nullable=False),
        Column("published_at", BigInteger, nullable=False),
        Column("key", LargeBinary),
        Column("value", LargeBinary),
        Column("headers", LargeBinary),
    )


store: Final = Table(
    "store",
    metadata,
    Column("version", Integer, nullable=False),
    Column("first_seq", BigInteger, nullable=False),
)
"""One row about the store itself."""

sources: Final = Table(
    "sources",
    metadata,
    _number("source_no", primary_key=True),
    _name("topic"),
    Column("partition", Integer, nullable=False),
    _name("topic_id"),
    Column("offset", BigInteger, nullable=False),
    Column("is_current", Boolean, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("skipped", BigInteger, nullable=False),
    Column("newest_at", BigInteger, nullable=False),
)
"""Partitions and how far they were read; of a topic that was created again the earlier ones stay, not current."""

cases: Final = Table(
    "cases",
    metadata,
    _number("case_no", primary_key=True),
    _name("case_id"),
    _name("city", optional=True),
    _name("category", optional=True),
    Column("booked_at", BigInteger),
    Column("latest_at", BigInteger),
    Index("cases_by_id", "case_id", unique=True),
    Index("cases_by_latest", "latest_at", "case_no"),
    Index("cases_by_city", "city", "latest_at", "case_no"),
    Index("cases_by_category", "category", "latest_at", "case_no"),
)
"""`booked_at` is the time of the booking that city and category are from, `latest_at` when the latest message was
published, null without one."""

partners: Final = Table(
    "partners",
    metadata,
    _number("partner_no", primary_key=True),
    _name("partner_id"),
    Index("partners_by_id", "partner_id", unique=True),
)

erased_cases: Final = Table(
    "erased_cases",
    metadata,
    _number("case_no", primary_key=True),
    Column("at", BigInteger, nullable=False),
)
"""The cases whose records are not kept, and when they were erased."""

erased_partners: Final = Table(
    "erased_partners",
    metadata,
    _number("partner_no", primary_key=True),
    Column("until", BigInteger, nullable=False),
)
"""Until when the location reports of a partner are not kept."""

facts: Final = Table(
    "facts",
    metadata,
    _number("seq", primary_key=True),
    _number("case_no"),
    _name("type"),
    Column("time", BigInteger, nullable=False),
    *_record(),
    Index("facts_by_case", "case_no"),
)
"""Input events other than location reports."""

reports: Final = Table(
    "reports",
    metadata,
    _number("seq", primary_key=True),
    _number("partner_no"),
    Column("time", BigInteger, nullable=False),
    *_record(),
    Index("reports_by_partner", "partner_no", "time"),
)
"""Location reports."""


def is_kind(kind: RowKind) -> ColumnElement[bool]:
    """Return the condition that a message is of a kind, as the indexes of PostgreSQL have it."""
    return literal_column(f"kind = '{kind}'")


def _by_kind() -> Iterator[Index]:
    """Yield what finds the latest messages of a kind.

    With the index that serves SQLite, PostgreSQL may go back through all messages instead, which is slow if the latest
    ones are of other kinds; with the indexes that serve PostgreSQL, SQLite always does.
    """
    yield Index("messages_by_kind", "kind", "seq").ddl_if(dialect="sqlite")
    kinds: Sequence[RowKind] = ("decision", "alert", "dead_letter", "act")
    for kind in kinds:
        yield Index(f"latest_{kind}s", "seq", postgresql_where=is_kind(kind)).ddl_if(dialect="postgresql")


messages: Final = Table(
    "messages",
    metadata,
    _number("seq", primary_key=True),
    _name("kind"),
    _name("name"),
    _name("message_key"),
    _number("case_no", optional=True),
    *_record(),
    Index("messages_by_key", "message_key", unique=True),
    Index("messages_by_case", "case_no"),
    *_by_kind(),
    Index("messages_by_name", "kind", "name", "seq"),
    Index("messages_by_place", "source_no", "offset"),
)
"""Outputs and acts. `message_key` is made of kind and id of the envelope; what has the same one is there once."""

decisions: Final = Table(
    "decisions",
    metadata,
    _number("decision_no", primary_key=True),
    _number("case_no"),
    _name("kind"),
    _name("subject_of"),
    _number("partner_no", optional=True),
    _name("decision_key"),
    _name("decision_id"),
    Column("revision", BigInteger, nullable=False),
    _name("status"),
    _name("outcome"),
    _name("reasons"),
    _name("clauses"),
    _name("policy"),
    Column("effective_at", BigInteger, nullable=False),
    Index("decisions_by_case", "case_no", "kind", "outcome", "status"),
    Index("decisions_by_partner", "partner_no", "kind", "effective_at"),
)
"""The last revision of every decision; `reasons` and `clauses` are separated by spaces."""

decision_terms: Final = Table(
    "decision_terms",
    metadata,
    _name("term"),
    _number("decision_no"),
    PrimaryKeyConstraint("term", "decision_no"),
    sqlite_with_rowid=False,
)
"""What last revisions are found by: kind, outcome, status, each reason, each clause, as `field:value`.

`decisions` has no index on these, so that whoever goes through cases looks decisions up by their case, whatever a
planner knows of the data.
"""

IS_OPEN: Final[ColumnElement[bool]] = literal_column("state = 'open'")
HAS_NO_END: Final[ColumnElement[bool]] = literal_column("state = 'firing' AND ends_at IS NULL")

actions: Final = Table(
    "actions",
    metadata,
    _number("action_no", primary_key=True),
    _name("action_id"),
    _number("case_no"),
    _name("code"),
    _name("state"),
    Column("revision", BigInteger, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("due_at", BigInteger),
    Index("actions_by_id", "action_id", unique=True),
    Index("actions_by_case", "case_no"),
    Index("open_actions_by_age", "code", "opened_at", sqlite_where=IS_OPEN, postgresql_where=IS_OPEN),
    Index("open_actions_by_due", "code", "due_at", sqlite_where=IS_OPEN, postgresql_where=IS_OPEN),
)
"""The last revision of every action; `opened_at` is when the latest of its states began."""

alerts: Final = Table(
    "alerts",
    metadata,
    _number("alert_no", primary_key=True),
    _name("alert_id"),
    _number("case_no", optional=True),
    _number("partner_no", optional=True),
    _name("name"),
    _name("state"),
    Column("ends_at", BigInteger),
    Column("published_at", BigInteger, nullable=False),
    _number("seq"),
    Index("alerts_by_id", "alert_id", unique=True),
    Index("alerts_by_case", "case_no"),
    Index("alerts_by_partner", "partner_no", "seq"),
    Index("firing_conditions", "seq", sqlite_where=HAS_NO_END, postgresql_where=HAS_NO_END),
    Index("alerts_by_end", "ends_at"),
)
"""The message about every alert that was published last; `seq` is its number in `messages`."""

tickets: Final = Table(
    "tickets",
    metadata,
    _name("ticket_id"),
    _number("case_no"),
    _name("kind"),
    Column("time", BigInteger, nullable=False),
    _number("partner_no", optional=True),
    PrimaryKeyConstraint("ticket_id", "case_no"),
    Index("tickets_by_case", "case_no"),
)

assignments: Final = Table(
    "assignments",
    metadata,
    _number("case_no"),
    Column("time", BigInteger, nullable=False),
    _number("partner_no"),
    PrimaryKeyConstraint("case_no", "time", "partner_no"),
)

engagements: Final = Table(
    "engagements",
    metadata,
    _number("partner_no"),
    _number("case_no"),
    Column("first_at", BigInteger, nullable=False),
    Column("is_assigned", Boolean, nullable=False),
    PrimaryKeyConstraint("partner_no", "case_no"),
    Index("engagements_by_case", "case_no"),
    Index("engagements_by_time", "partner_no", "first_at", "case_no"),
)
"""Partners that facts or decisions of a case name."""

facets: Final = Table(
    "facets",
    metadata,
    _name("field"),
    _name("value"),
    Column("occurrences", BigInteger, nullable=False),
    PrimaryKeyConstraint("field", "value"),
)
"""How often a value occurs now, counted when rows change."""

hour_counts: Final = Table(
    "hour_counts",
    metadata,
    Column("hour", BigInteger, nullable=False),
    _name("kind"),
    _name("name"),
    _name("outcome"),
    Column("occurrences", BigInteger, nullable=False),
    PrimaryKeyConstraint("hour", "kind", "name", "outcome"),
)

policies: Final = Table(
    "policies",
    metadata,
    _name("policy"),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("revisions", BigInteger, nullable=False),
    PrimaryKeyConstraint("policy"),
)

published_policies: Final = Table(
    "published_policies",
    metadata,
    _number("seq", primary_key=True),
    *_record(),
)
"""The records of the topic of policies, those included that workers refuse."""

progress: Final = Table(
    "progress",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("published_at", BigInteger, nullable=False),
    Column("value", LargeBinary, nullable=False),
)
"""What the workers published last for each partition number."""
