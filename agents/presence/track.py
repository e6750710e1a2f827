"""A partner's track: the location reports kept, the presence queries about them, and what was emitted.

The answers depend on the set of reports, not on their order of arrival (contracts.md, "Events in"). A report that no
query needs costs a look-up and an insertion; only queries whose window a change falls into are answered again.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from typing import Final, Literal

from agents.presence.answering import PendingQuery, PendingQueryKey, answer, reach_after, reach_before
from agents.presence.queries import PresenceAnswer, PresenceQuery
from agents.presence.reports import (
    Report,
    ReportRules,
    Series,
    content_of,
    identity,
    identity_of,
    pack,
    rank,
    report_rules,
    time_of,
    unpack,
)
from agents.presence.track_state import LONG_AGO, TrackState, read_state, write_state
from agents.presence.travel import impossible_travel, may_be_impossible
from schemas.events import Event, LocationReported
from schemas.outputs import AlertBody
from schemas.policy.model import MINUTE, Policy, PolicySet

AddReportResult = Literal["applied", "duplicate", "conflict", "departed"]
PRUNE_EVERY: Final = 10 * MINUTE
"""Measured by the times of the reports. Pruning at every report would cost more than keeping some longer."""
DISPLACED_PER_BUCKET_MAX: Final = 8


class Track:
    """The reports of one partner and the queries about them.

    `emitted_alerts` has the later report of each emitted travel alert: its time by its ref.
    `missed_retention` counts the queries that came too late (a metric). No report up to `erased_at` (microseconds), the
    partner's last erasure, is accepted.
    """

    def __init__(
        self, partner_id: str, emitted_alerts: Mapping[str, int] | None = None, *, erased_at: int = LONG_AGO
    ) -> None:
        self.partner_id = partner_id
        self.emitted_alerts = dict(emitted_alerts or {})
        self.erased_at = erased_at
        self.missed_retention = 0
        self._policy: Policy | None = None
        self._rules: list[ReportRules] = []
        self._current_rules = 0
        self._latest_rules = 0
        self._latest = self._retained_from = self._kept_from = self._complete_from = self._prune_at = LONG_AGO
        self._plain = Series([])
        self._newest: Report | None = None
        self._mocked = Series([])
        self._displaced = Series([])
        self._rows: dict[bytes, bytes] = {}
        self._queries: dict[PendingQueryKey, PendingQuery] = {}
        self._queries_by_time: list[tuple[int, str, str]] = []
        self._reach_before = self._reach_after = 0
        self._requested: set[PendingQueryKey] = set()
        self._dirty: set[PendingQueryKey] = set()
        self._travel_candidates: set[bytes] = set()

    @property
    def latest(self) -> int:
        """The latest time of any report, query, emitted alert or erasure, in microseconds."""
        return max(
            (
                self._latest,
                self.erased_at,
                *(at for at, _, _ in self._queries_by_time[-1:]),
                *self.emitted_alerts.values(),
            )
        )

    @property
    def is_empty(self) -> bool:
        """Whether neither a report nor a query is left."""
        return not (self._plain or self._mocked or self._displaced or self._queries)

    @property
    def has_remains(self) -> bool:
        """Whether there is something to remember when reports and queries are gone."""
        return bool(self.emitted_alerts) or self.erased_at != LONG_AGO

    def add_report(self, event: Event[LocationReported], policy: Policy) -> AddReportResult:
        """Add a report, judged by the policy in force at its time; return whether it was known.

        The best report of a bucket is kept. The identities of the `DISPLACED_PER_BUCKET_MAX` next best are remembered,
        to recognise duplicates. A report beyond the retention is dropped, unless a query needs it: had the inputs been
        read in another order, it would have come in time.
        """
        if event.time <= self.erased_at:
            return "departed"
        if policy is not self._policy:
            self._use_policy(policy)
        packed_identity = identity(event)
        known = self._rows.get(packed_identity)
        if known is not None:
            return "duplicate" if content_of(known) == event.digest else "conflict"
        if event.time > self._latest:
            self._advance(event.time, self._current_rules)
        if event.time >= self._kept_from or self._matters_to_a_query(event.time):
            row = pack(event, packed_identity, self._current_rules)
            if not self._append(row, packed_identity, event):
                self._insert(row, packed_identity, event.time, is_mocked=event.data.mocked)
        return "applied"

    def add_reports_until(self, reports: list[Event[LocationReported]], until: int, policies: PolicySet) -> int | None:
        """Add reports from the end of a list, which is in reverse order of time, and remove them from it.

        Stop after an instant (microseconds), or after the first that leads to an update; return its time, else None.
        """
        while reports and (time := reports[-1].time) <= until:
            self.add_report(reports.pop(), policies.at(time))
            if self._dirty or self._travel_candidates:
                if not reports or reports[-1].time != time:
                    return time
            elif self._kept_from >= self._prune_at:
                self._prune()
        return None

    def query(self, query: PresenceQuery, *, may_have_departed: bool = False) -> None:
        """Add a query, which may be new, changed or repeated; the next `new_answers` answers it.

        `may_have_departed` says that an earlier track of this partner, with reports in the window, may have departed.
        """
        assert query.partner_id == self.partner_id, "a query about another partner"
        key = (query.case_id, query.fact)
        known = self._queries.get(key)
        self._remove_query(key)
        first = query.time - reach_before(query)
        if known is not None and known.query.window == query.window:
            first = known.first
        elif query.time < self._retained_from:
            self.missed_retention += 1
            first = self._retained_from
        elif may_have_departed:
            self.missed_retention += 1
            first -= 1
        self._add_query(key, PendingQuery(query, first, query.time + reach_after(query)))
        self._requested.add(key)

    @property
    def has_updates(self) -> bool:
        """Whether `new_answers` or `new_travel_alerts` has work to do."""
        is_overdue = self._kept_from >= self._prune_at
        return bool(self._requested or self._dirty or self._travel_candidates or is_overdue)

    def new_answers(self) -> tuple[PresenceAnswer, ...]:
        """Return the answers requested since the last call and those that changed, by time, case and fact.

        Leaves `made_at` empty. Also drops what is beyond the retention, so call it after each batch.
        """
        answers = self._answer() if self._requested or self._dirty else ()
        if self._kept_from >= self._prune_at:
            self._prune()
        return answers

    def new_travel_alerts(self) -> tuple[AlertBody, ...]:
        """Return the `impossible_travel` alerts not returned before, by time, at most one for each later report."""
        alerts: list[AlertBody] = []
        for row in sorted(self._travel_candidates):
            if self._rows.get(identity_of(row)) != row:
                continue
            later = unpack(row)
            earlier = self._nearest_valid(self._plain.index(later.time), -1)
            if earlier is None or later.ref in self.emitted_alerts:
                continue
            alert = impossible_travel(self.partner_id, earlier, later, self._rules[later.rules])
            if alert is not None:
                self.emitted_alerts[later.ref] = later.time
                alerts.append(alert)
        self._travel_candidates.clear()
        return tuple(alerts)

    def dump(self) -> bytes:
        """Return the track for a checkpoint, as MessagePack."""
        state = TrackState(
            partner_id=self.partner_id,
            rules=self._rules,
            latest=self._latest,
            latest_rules=self._latest_rules,
            plain=self._plain.rows[self._plain.start :],
            mocked=self._mocked.rows[self._mocked.start :],
            queries=[self._queries[case_id, fact] for _, case_id, fact in self._queries_by_time],
            requested=sorted(self._requested),
            dirty=sorted(self._dirty),
            travel_candidates=sorted(self._travel_candidates),
            emitted_alerts=self.emitted_alerts,
            missed_retention=self.missed_retention,
            displaced=self._displaced.rows[self._displaced.start :],
            erased_at=self.erased_at,
        )
        return write_state(state)

    @classmethod
    def load(cls, data: bytes) -> Track:
        """Return the track that `dump` wrote; raises `msgspec.MsgspecError` for other bytes."""
        state = read_state(data)
        track = cls(state.partner_id, state.emitted_alerts, erased_at=state.erased_at)
        track.missed_retention = state.missed_retention
        track._rules = state.rules
        if state.rules:
            track._advance(state.latest, state.latest_rules)
        track._plain = Series(state.plain)
        track._newest = unpack(state.plain[-1]) if state.plain else None
        track._mocked = Series(state.mocked)
        track._displaced = Series(state.displaced)
        track._rows = {identity_of(row): row for row in state.plain + state.mocked + state.displaced}
        for pending in state.queries:
            track._add_query((pending.query.case_id, pending.query.fact), pending)
        track._requested = set(state.requested)
        track._dirty = set(state.dirty)
        track._travel_candidates = set(state.travel_candidates)
        return track

    def _answer(self) -> tuple[PresenceAnswer, ...]:
        answers: list[PresenceAnswer] = []
        for key in sorted(self._requested | self._dirty, key=lambda key: (self._queries[key].query.time, key)):
            pending = self._queries[key]
            new, pending.last = answer(pending.query, self._plain, self._mocked, pending.first)
            if key in self._requested or new != pending.answer:
                pending.answer = new
                is_too_late = pending.is_too_late
                answers.append(PresenceAnswer(pending.query, new.closest, new.mocked, new.stay, too_late=is_too_late))
        self._requested.clear()
        self._dirty.clear()
        return tuple(answers)

    def _use_policy(self, policy: Policy) -> None:
        rules = report_rules(policy)
        if rules not in self._rules:
            self._rules.append(rules)
        self._current_rules = self._rules.index(rules)
        self._policy = policy

    def _advance(self, latest: int, latest_rules: int) -> None:
        """Set the time of the latest report, which determines how far back reports and queries are kept."""
        rules = self._rules[latest_rules]
        self._latest, self._latest_rules = latest, latest_rules
        self._retained_from = latest - rules.retention
        self._kept_from = self._retained_from - rules.margin
        self._complete_from = self._kept_from + rules.bucket  # the oldest bucket may have lost reports

    def _prune(self) -> None:
        """Drop reports that are too old, and queries whose windows are no longer complete.

        Until then a report within the retention can still change the answers to such queries.
        """
        self._prune_at = self._kept_from + PRUNE_EVERY
        for series in (self._plain, self._mocked, self._displaced):
            for row in series.drop_before(self._kept_from):
                del self._rows[identity_of(row)]
        if not self._plain:
            self._newest = None
        queries = self._queries_by_time
        for _, case_id, fact in queries[: bisect_left(queries, (self._complete_from + self._reach_before,))]:
            self._remove_query((case_id, fact))
        for ref in [ref for ref, time in self.emitted_alerts.items() if time < self._kept_from]:
            del self.emitted_alerts[ref]

    def _append(self, row: bytes, packed_identity: bytes, event: Event[LocationReported]) -> bool:
        """Append a report if it is not mocked and in a later bucket than all others; return whether it was appended."""
        newest, time, data = self._newest, event.time, event.data
        if newest is None or newest.rules != self._current_rules or data.mocked:
            return False
        rules = self._rules[self._current_rules]
        if time - time % rules.bucket <= newest.time:
            return False
        self._plain.rows.append(row)
        self._rows[packed_identity] = row
        self._newest = report = Report(time, data.lat, data.lon, data.accuracy_m, self._current_rules, row)
        if self._queries_by_time:
            self._mark_dirty(time)
        if not (report.is_valid(rules.max_accuracy_m) and newest.is_valid(rules.max_accuracy_m)):
            self._mark_travel_candidates(len(self._plain.rows) - 1)
        elif may_be_impossible(newest, report, rules):
            self._travel_candidates.add(row)
        return True

    def _insert(self, row: bytes, packed_identity: bytes, time: int, *, is_mocked: bool) -> None:
        """Keep a report unless a better one of its bucket is kept."""
        series = self._mocked if is_mocked else self._plain
        kept = self._kept_in_bucket(series, time)
        if kept is not None:
            if rank(kept) < rank(row):
                self._displace(row, packed_identity)
                return
            series.remove(kept)
            self._travel_candidates.discard(kept)
            self._displace(kept, identity_of(kept))
            self._mark_dirty(time_of(kept))
        index = series.insert(row)
        self._rows[packed_identity] = row
        self._mark_dirty(time)
        if not is_mocked:
            self._newest = unpack(series.rows[-1])
            self._mark_travel_candidates(index)

    def _displace(self, row: bytes, packed_identity: bytes) -> None:
        """Remember the identity of a report that is not kept; if a bucket has too many of these, forget the worst.

        This way the order of arrival affects neither what is remembered nor what counts when a report comes again.
        """
        bucket, time = self._rules[self._current_rules].bucket, time_of(row)
        begin = time - time % bucket
        self._displaced.insert(row)
        self._rows[packed_identity] = row
        rows = self._displaced.between(begin, begin + bucket - 1)
        displaced = [each for each in rows if self._rules[unpack(each).rules].bucket == bucket]
        if len(displaced) > DISPLACED_PER_BUCKET_MAX:
            worst = max(displaced, key=rank)
            self._displaced.remove(worst)
            del self._rows[identity_of(worst)]

    def _kept_in_bucket(self, series: Series, time: int) -> bytes | None:
        """Return the report kept in the bucket of an instant; other bucket lengths (of other policies) count apart."""
        bucket = self._rules[self._current_rules].bucket
        begin = time - time % bucket
        for index in range(series.index(begin), len(series.rows)):
            report = unpack(series.rows[index])
            if report.time >= begin + bucket:
                return None
            if self._rules[report.rules].bucket == bucket:
                return report.row
        return None

    def _mark_dirty(self, time: int) -> None:
        """Mark the queries that a change among the reports at an instant can concern."""
        queries = self._queries_by_time
        for index in range(bisect_left(queries, (time - self._reach_after,)), len(queries)):
            at, case_id, fact = queries[index]
            if at > time + self._reach_before:
                return
            pending = self._queries[case_id, fact]
            if pending.first <= time <= pending.last:
                self._dirty.add((case_id, fact))

    def _matters_to_a_query(self, time: int) -> bool:
        """Return whether a report at an instant is in the window of a query, or in a bucket that overlaps one."""
        bucket, queries = self._rules[self._current_rules].bucket, self._queries_by_time
        for index in range(bisect_left(queries, (time - self._reach_after - bucket,)), len(queries)):
            at, case_id, fact = queries[index]
            if at > time + self._reach_before + bucket:
                return False
            pending = self._queries[case_id, fact]
            if pending.first - bucket <= time <= at + reach_after(pending.query) + bucket:
                return True
        return False

    def _add_query(self, key: PendingQueryKey, pending: PendingQuery) -> None:
        query = pending.query
        self._queries[key] = pending
        insort(self._queries_by_time, (query.time, *key))
        self._reach_before = max(self._reach_before, reach_before(query))
        self._reach_after = max(self._reach_after, reach_after(query))

    def _remove_query(self, key: PendingQueryKey) -> None:
        pending = self._queries.pop(key, None)
        if pending is not None:
            del self._queries_by_time[bisect_left(self._queries_by_time, (pending.query.time, *key))]
        self._requested.discard(key)
        self._dirty.discard(key)

    def _mark_travel_candidates(self, index: int) -> None:
        """Mark the travel to and from a new report at an index for a closer look, if it may be impossible."""
        new = unpack(self._plain.rows[index])
        if not self._is_valid(new):
            return
        earlier, later = self._nearest_valid(index, -1), self._nearest_valid(index, 1)
        for a, b in ((earlier, new), (new, later)):
            if a and b and may_be_impossible(a, b, self._rules[b.rules]):
                self._travel_candidates.add(b.row)

    def _is_valid(self, report: Report) -> bool:
        return report.is_valid(self._rules[report.rules].max_accuracy_m)

    def _nearest_valid(self, index: int, step: Literal[-1, 1]) -> Report | None:
        """Return the nearest valid report before (-1) or after (1) an index."""
        series = self._plain
        index += step
        while series.start <= index < len(series.rows):
            report = unpack(series.rows[index])
            if self._is_valid(report):
                return report
            index += step
        return None
