"""The queries of the overview."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from schemas.policy.model import HOUR
from schemas.timestamps import EARLIEST_US
from streams.runtime.ports import TP
from streams.runtime.progress import Progress, unpack_progress
from surfaces.read_model.positions import PartitionProgress, ReadPosition
from surfaces.read_model.stored import AnyRow, live_row, select_messages
from surfaces.read_model.tables import (
    HAS_NO_END,
    IS_OPEN,
    actions,
    alerts,
    facets,
    hour_counts,
    is_kind,
    messages,
    progress,
    sources,
)
from surfaces.read_model.views import (
    Cause,
    Changes,
    HourCount,
    OpenActions,
    Overview,
    Row,
    RowKind,
)


def read_overview(connection: Connection, now: int, hours: int, rows: int) -> Overview:
    """Return the overview (`ReadModel.overview`)."""
    counted = connection.execute(
        select(hour_counts)
        .where(hour_counts.c.hour > max(now - hours * HOUR, EARLIEST_US))
        .order_by(hour_counts.c.hour, hour_counts.c.kind, hour_counts.c.name, hour_counts.c.outcome)
    )
    firing, firing_count = _firing(connection, now, rows)
    published = latest_progress(connection)
    return Overview(
        last_seq=connection.scalar(select(func.max(messages.c.seq))) or 0,
        cases=connection.scalar(select(facets.c.occurrences).where(facets.c.field == "cases")) or 0,
        latest=_latest(connection, "decision", rows),
        latest_alerts=_latest(connection, "alert", rows),
        hours=tuple(HourCount(*row) for row in counted),
        firing=firing,
        firing_count=firing_count,
        open_actions=_open_actions(connection),
        causes=read_causes(connection),
        progress=tuple(each for number in sorted(published) for each in _accounts(*published[number])),
        quarantined=quarantined(published),
        positions=read_positions(connection),
    )


def read_changes(connection: Connection, after: int, limit: int) -> Changes:
    """Return the messages written after a number (`ReadModel.changes`)."""
    found = connection.execute(
        select_messages().where(messages.c.seq > after).order_by(messages.c.seq.desc()).limit(limit + 1)
    ).all()
    rows = tuple(live_row(row) for row in reversed(found[:limit]))
    return Changes(rows, rows[-1].seq if rows else after, len(found) > limit)


def _latest(connection: Connection, kind: RowKind, limit: int) -> tuple[Row, ...]:
    query = select_messages().where(is_kind(kind)).order_by(messages.c.seq.desc()).limit(limit)
    return tuple(live_row(row) for row in connection.execute(query))


def _firing(connection: Connection, now: int, limit: int) -> tuple[tuple[Row, ...], int]:
    """Return the latest alerts that fire, and how many there are."""
    parts = [HAS_NO_END, (alerts.c.ends_at > now) & (alerts.c.state == "firing")]
    count = sum(connection.scalar(select(func.count()).select_from(alerts).where(part)) or 0 for part in parts)
    numbers = [
        number
        for part in parts
        for number in connection.scalars(select(alerts.c.seq).where(part).order_by(alerts.c.seq.desc()).limit(limit))
    ]
    latest = sorted(numbers, reverse=True)[:limit]
    rows = connection.execute(select_messages().where(messages.c.seq.in_(latest)).order_by(messages.c.seq.desc()))
    return tuple(live_row(row) for row in rows), count


def _open_actions(connection: Connection) -> tuple[OpenActions, ...]:
    is_of_code = (actions.c.code == facets.c.value, IS_OPEN)
    oldest = select(func.min(actions.c.opened_at)).where(*is_of_code).scalar_subquery()
    first_due = select(func.min(actions.c.due_at)).where(*is_of_code).scalar_subquery()
    query = select(facets.c.value, facets.c.occurrences, oldest, first_due)
    rows = connection.execute(
        query.where(facets.c.field == "action", facets.c.occurrences > 0).order_by(facets.c.value)
    )
    return tuple(OpenActions(*row) for row in rows)


def read_causes(connection: Connection) -> tuple[Cause, ...]:
    """Return why records were refused, the most frequent cause first."""
    last_at = (
        select(messages.c.published_at)
        .where(is_kind("dead_letter"), messages.c.name == facets.c.value)
        .order_by(messages.c.seq.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(facets.c.value, facets.c.occurrences, last_at)
        .where(facets.c.field == "cause", facets.c.occurrences > 0)
        .order_by(facets.c.occurrences.desc(), facets.c.value)
    )
    return tuple(Cause(*row) for row in rows)


def latest_progress(connection: Connection) -> dict[int, tuple[Progress, int]]:
    """Return what the workers published last and when, by partition number."""
    rows = connection.execute(select(progress))
    return {row.partition: (unpack_progress(row.value), row.published_at) for row in rows}


def quarantined(published: dict[int, tuple[Progress, int]]) -> dict[str, str]:
    """Return the reasons why cases and partners are decided no more, by name."""
    return {name: each.reason for found, _ in published.values() for name, each in found.quarantined.items()}


def _accounts(found: Progress, counted_at: int) -> Sequence[PartitionProgress]:
    return [
        PartitionProgress(TP.parse(name), position, found.consumed.get(name, 0), found.counts.get(name, {}), counted_at)
        for name, position in sorted(found.positions.items())
    ]


def read_positions(connection: Connection) -> tuple[ReadPosition, ...]:
    """Return how far each partition was read, by name."""
    rows = connection.execute(
        select(sources).where(sources.c.is_current).order_by(sources.c.topic, sources.c.partition)
    )
    return tuple(_position(row) for row in rows)


def _position(row: AnyRow) -> ReadPosition:
    tp = TP(row.topic, row.partition)
    return ReadPosition(tp, row.topic_id, row.offset, row.records, row.skipped, row.newest_at)
