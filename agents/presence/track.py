"""One partner's track: the location reports kept, the moments that cases asked about, and what was said of both.

What a track says depends on the reports, not on the order in which they came (contracts, "Events in"). A report that no
moment needs costs a look-up and an insertion; only moments whose window holds a new report are answered again.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct, msgpack

from agents.presence.answering import answer, reach_ahead, reach_back
from agents.presence.pending import PendingQuery, PendingQueryKey
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
from agents.presence.travel import impossible_travel, may_be_impossible
from agents.verdict import AlertCondition
from schemas.events import Event, LocationReported
from schemas.policy.model import MINUTE, Policy, PolicySet

AddReportResult = Literal["applied", "duplicate", "conflict"]
LONG_AGO: Final = -(1 << 62)
PRUNE_EVERY: Final = 10 * MINUTE
"""Of the partner's own time; pruning at every report would cost more than keeping a few."""
DISPLACED_PER_BUCKET_MAX: Final = 8


class TrackState(Struct, frozen=True, array_like=True):
    """A track as it is written to a checkpoint."""

    partner_id: str
    rules: list[ReportRules]
    latest: int
    latest_rules: int
    plain: list[bytes]
    mocked: list[bytes]
    questions: list[PendingQuery]
    asked: list[PendingQueryKey]
    touched: list[PendingQueryKey]
    suspects: list[bytes]
    told: dict[str, int]
    missed_retention: int
    thinned: list[bytes] = []


SAVED: Final = msgpack.Decoder(TrackState)


class Track:
    """A partner's reports, the moments asked about, and what was said of them.

    `missed_retention` counts the moments that lay further back than the retention when they were asked (a metric).
    """

    def __init__(self, partner_id: str, told: Mapping[str, int] | None = None) -> None:
        """Begin a track of which nothing is known but what `told` says."""
        self.partner_id = partner_id
        self.missed_retention = 0
        self._policy: Policy | None = None
        self._rules: list[ReportRules] = []
        self._current = 0
        self._latest = self._horizon = self._kept_from = self._whole_from = LONG_AGO
        self._latest_rules = 0
        self._prune_at = LONG_AGO
        self._plain = Series([])
        self._newest: Report | None = None
        self._mocked = Series([])
        self._thinned = Series([])
        self._known: dict[bytes, bytes] = {}
        self._queries: dict[PendingQueryKey, PendingQuery] = {}
        self._by_time: list[tuple[int, str, str]] = []
        self._back = self._ahead = 0
        self._asked: set[PendingQueryKey] = set()
        self._touched: set[PendingQueryKey] = set()
        self._suspects: set[bytes] = set()
        self.emitted_alerts = dict(told or {})
        """The later reports of travels that alerts were sent about, by source and id, and their times."""

    @property
    def latest(self) -> int:
        """The instant (microseconds) of the latest report or moment."""
        return max(self._latest, *(at for at, _, _ in self._by_time[-1:]), *self.emitted_alerts.values(), LONG_AGO)

    @property
    def is_empty(self) -> bool:
        """Tell whether there is neither a report nor a question left."""
        return not (self._plain or self._mocked or self._thinned or self._queries)

    def add_report(self, event: Event[LocationReported], policy: Policy) -> AddReportResult:
        """Add a report, judged by the policy in force at its own time; say whether it is known already.

        Of a slot the best is kept (contracts, 2.3); the `DISPLACED_PER_BUCKET_MAX` next best are still known, so that a
        second one of such an identity is no new one. What the retention put out is forgotten, but not a report that
        comes past it to a question that is here: in the order of another reading it would have come in time.
        """
        if policy is not self._policy:
            self._adopt(policy)
        packed_identity = identity(event)
        known = self._known.get(packed_identity)
        if known is not None:
            return "duplicate" if content_of(known) == event.content else "conflict"
        if event.time > self._latest:
            self._advance(event.time, self._current)
        if event.time >= self._kept_from or self._is_asked_about(event.time):
            row = pack(event, packed_identity, self._current)
            if not self._append(row, packed_identity, event):
                self._keep(row, packed_identity, event.time, is_mocked=event.data.mocked)
        return "applied"

    def add_reports_until(self, reports: list[Event[LocationReported]], until: int, policies: PolicySet) -> int | None:
        """Add reports off a list's end, in order of time, up to an instant (µs) or the first with news: return it."""
        while reports and (time := reports[-1].time) <= until:
            self.add_report(reports.pop(), policies.at(time))
            if self._touched or self._suspects:
                if not reports or reports[-1].time != time:
                    return time
            elif self._kept_from >= self._prune_at:
                self._prune()
        return None

    def query(self, query: PresenceQuery, *, may_have_departed: bool = False) -> None:
        """Take a question, new, changed or repeated; the next `answers` answers it.

        `may_have_departed` says that this may be a new track where an earlier one was that knew of the moment.
        """
        assert query.partner_id == self.partner_id, "a question about somebody else"
        key = (query.case_id, query.fact)
        known = self._queries.get(key)
        self._forget(key)
        floor = query.time - reach_back(query)
        if known is not None and known.query.window == query.window:
            floor = known.floor
        elif query.time < self._horizon:
            self.missed_retention += 1
            floor = self._horizon
        elif may_have_departed:
            self.missed_retention += 1
            floor -= 1
        self._remember(key, PendingQuery(query, floor, query.time + reach_ahead(query)))
        self._asked.add(key)

    @property
    def has_updates(self) -> bool:
        """Whether `answers` or `travels` may have anything to return, or to let go of."""
        return bool(self._asked or self._touched or self._suspects or self._kept_from >= self._prune_at)

    def new_answers(self) -> tuple[PresenceAnswer, ...]:
        """Return the answers to all moments asked since the last call and those that changed, by time, case and fact.

        `made_at` is left empty. What lies past the retention is let go of here, so call it after each batch.
        """
        said = self._answered() if self._asked or self._touched else ()
        if self._kept_from >= self._prune_at:
            self._prune()
        return said

    def new_travel_alerts(self) -> tuple[AlertCondition, ...]:
        """Return the `impossible_travel` alerts not returned before, by time: each once for its later report."""
        findings: list[AlertCondition] = []
        for row in sorted(self._suspects):
            if self._known.get(identity_of(row)) != row:
                continue
            later = unpack(row)
            earlier = self._valid_beside(self._plain.index(later.time), -1)
            if earlier is None or later.ref in self.emitted_alerts:
                continue
            finding = impossible_travel(self.partner_id, earlier, later, self._rules[later.rules])
            if finding is not None:
                self.emitted_alerts[later.ref] = later.time
                findings.append(finding)
        self._suspects.clear()
        return tuple(findings)

    def dump(self) -> bytes:
        """Return the track for a checkpoint, as MessagePack."""
        saved = TrackState(
            partner_id=self.partner_id,
            rules=self._rules,
            latest=self._latest,
            latest_rules=self._latest_rules,
            plain=self._plain.rows[self._plain.start :],
            mocked=self._mocked.rows[self._mocked.start :],
            questions=[self._queries[case_id, fact] for _, case_id, fact in self._by_time],
            asked=sorted(self._asked),
            touched=sorted(self._touched),
            suspects=sorted(self._suspects),
            told=self.emitted_alerts,
            missed_retention=self.missed_retention,
            thinned=self._thinned.rows[self._thinned.start :],
        )
        return msgpack.encode(saved)

    @classmethod
    def load(cls, data: bytes) -> Track:
        """Return the track that `dump` wrote; raises `msgspec.MsgspecError` for other bytes."""
        saved = SAVED.decode(data)
        track = cls(saved.partner_id)
        track.missed_retention = saved.missed_retention
        track._rules = saved.rules
        if saved.rules:
            track._advance(saved.latest, saved.latest_rules)
        track._plain = Series(saved.plain)
        track._newest = unpack(saved.plain[-1]) if saved.plain else None
        track._mocked = Series(saved.mocked)
        track._thinned = Series(saved.thinned)
        track._known = {identity_of(row): row for row in saved.plain + saved.mocked + saved.thinned}
        for pending in saved.questions:
            track._remember((pending.query.case_id, pending.query.fact), pending)
        track._asked = set(saved.asked)
        track._touched = set(saved.touched)
        track._suspects = set(saved.suspects)
        track.emitted_alerts = saved.told
        return track

    def _answered(self) -> tuple[PresenceAnswer, ...]:
        """Answer all moments asked about or touched."""
        answers: list[PresenceAnswer] = []
        for key in sorted(self._asked | self._touched, key=lambda key: (self._queries[key].query.time, key)):
            each = self._queries[key]
            new, each.until = answer(each.query, self._plain, self._mocked, each.floor)
            if key in self._asked or new != each.answer:
                each.answer = new
                answers.append(PresenceAnswer(each.query, new.closest, new.mocked, new.stay, too_late=each.is_too_late))
        self._asked.clear()
        self._touched.clear()
        return tuple(answers)

    def _adopt(self, policy: Policy) -> None:
        """Make a policy's rules the current ones."""
        rules = report_rules(policy)
        if rules not in self._rules:
            self._rules.append(rules)
        self._current = self._rules.index(rules)
        self._policy = policy

    def _advance(self, latest: int, latest_rules: int) -> None:
        """Take the time of a report later than all others, which says how far back reports and moments are kept."""
        rules = self._rules[latest_rules]
        self._latest, self._latest_rules = latest, latest_rules
        self._horizon = latest - rules.retention
        self._kept_from = self._horizon - rules.margin
        self._whole_from = self._kept_from + rules.slot

    def _prune(self) -> None:
        """Let go of reports past the retention, and of questions whose windows are not whole any more.

        Until then a report within the retention can still come to them.
        """
        self._prune_at = self._kept_from + PRUNE_EVERY
        for series in (self._plain, self._mocked, self._thinned):
            for row in series.drop_before(self._kept_from):
                del self._known[identity_of(row)]
        if not self._plain:
            self._newest = None
        for _, case_id, fact in self._by_time[: bisect_left(self._by_time, (self._whole_from + self._back,))]:
            self._forget((case_id, fact))
        for ref in [ref for ref, time in self.emitted_alerts.items() if time < self._kept_from]:
            del self.emitted_alerts[ref]

    def _append(self, row: bytes, packed_identity: bytes, event: Event[LocationReported]) -> bool:
        """Keep a report as nearly all come: not mocked, in a later slot than any other. Tell whether it was one."""
        newest, time, data = self._newest, event.time, event.data
        if newest is None or newest.rules != self._current or data.mocked:
            return False
        rules = self._rules[self._current]
        if time - time % rules.slot <= newest.time:
            return False
        self._plain.rows.append(row)
        self._known[packed_identity] = row
        self._newest = report = Report(time, data.lat, data.lon, data.accuracy_m, self._current, row)
        if self._by_time:
            self._touch(time)
        if not (report.is_valid(rules.max_accuracy_m) and newest.is_valid(rules.max_accuracy_m)):
            self._suspect(len(self._plain.rows) - 1)
        elif may_be_impossible(newest, report, rules):
            self._suspects.add(row)
        return True

    def _keep(self, row: bytes, packed_identity: bytes, time: int, *, is_mocked: bool) -> None:
        """Keep a report unless a better one of its slot is kept."""
        series = self._mocked if is_mocked else self._plain
        rival = self._rival(series, time)
        if rival is not None:
            if rank(rival) < rank(row):
                self._thin_out(row, packed_identity)
                return
            series.remove(rival)
            self._suspects.discard(rival)
            self._thin_out(rival, identity_of(rival))
            self._touch(time_of(rival))
        index = series.insert(row)
        self._known[packed_identity] = row
        self._touch(time)
        if not is_mocked:
            self._newest = unpack(series.rows[-1])
            self._suspect(index)

    def _thin_out(self, row: bytes, packed_identity: bytes) -> None:
        """Leave a report known that is not kept; where a slot has too many, its worst is forgotten.

        So the order in which they came decides neither what is known nor, when one comes again, what counts.
        """
        slot, time = self._rules[self._current].slot, time_of(row)
        begin = time - time % slot
        self._thinned.insert(row)
        self._known[packed_identity] = row
        beside = self._thinned.between(begin, begin + slot - 1)
        thinned = [each for each in beside if self._rules[unpack(each).rules].slot == slot]
        if len(thinned) > DISPLACED_PER_BUCKET_MAX:
            worst = max(thinned, key=rank)
            self._thinned.remove(worst)
            del self._known[identity_of(worst)]

    def _rival(self, series: Series, time: int) -> bytes | None:
        """Return the kept report of the same slot, if there is one; slots of other policies are other slots."""
        slot = self._rules[self._current].slot
        begin = time - time % slot
        for index in range(series.index(begin), len(series.rows)):
            report = unpack(series.rows[index])
            if report.time >= begin + slot:
                return None
            if self._rules[report.rules].slot == slot:
                return report.row
        return None

    def _touch(self, time: int) -> None:
        """Mark the moments that a change among the reports at an instant can concern."""
        by_time = self._by_time
        for index in range(bisect_left(by_time, (time - self._ahead,)), len(by_time)):
            at, case_id, fact = by_time[index]
            if at > time + self._back:
                return
            pending = self._queries[case_id, fact]
            if pending.floor <= time <= pending.until:
                self._touched.add((case_id, fact))

    def _is_asked_about(self, time: int) -> bool:
        """Tell whether a report at an instant can matter to a question: it lies in the window, or in a slot with it."""
        slot, by_time = self._rules[self._current].slot, self._by_time
        for index in range(bisect_left(by_time, (time - self._ahead - slot,)), len(by_time)):
            at, case_id, fact = by_time[index]
            if at > time + self._back + slot:
                return False
            pending = self._queries[case_id, fact]
            if pending.floor - slot <= time <= at + reach_ahead(pending.query) + slot:
                return True
        return False

    def _remember(self, key: PendingQueryKey, pending: PendingQuery) -> None:
        query = pending.query
        self._queries[key] = pending
        insort(self._by_time, (query.time, *key))
        self._back = max(self._back, reach_back(query))
        self._ahead = max(self._ahead, reach_ahead(query))

    def _forget(self, key: PendingQueryKey) -> None:
        pending = self._queries.pop(key, None)
        if pending is not None:
            del self._by_time[bisect_left(self._by_time, (pending.query.time, *key))]
        self._asked.discard(key)
        self._touched.discard(key)

    def _suspect(self, index: int) -> None:
        """Mark what a new report at an index may show of impossible travel, to it or from it."""
        new = unpack(self._plain.rows[index])
        if not self._is_valid(new):
            return
        earlier, later = self._valid_beside(index, -1), self._valid_beside(index, 1)
        for a, b in ((earlier, new), (new, later)):
            if a and b and may_be_impossible(a, b, self._rules[b.rules]):
                self._suspects.add(b.row)

    def _is_valid(self, report: Report) -> bool:
        return report.is_valid(self._rules[report.rules].max_accuracy_m)

    def _valid_beside(self, index: int, step: Literal[-1, 1]) -> Report | None:
        """Return the valid report next to the one at an index, before (-1) or after (1) it."""
        series = self._plain
        index += step
        while series.start <= index < len(series.rows):
            report = unpack(series.rows[index])
            if self._is_valid(report):
                return report
            index += step
        return None
