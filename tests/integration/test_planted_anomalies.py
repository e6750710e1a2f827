"""A simulated week in which each alert is raised on purpose, beside decoys: a replay finds those, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from schemas.codec.limits import Limits
from schemas.outputs import AlertMessage
from schemas.policy.model import DAY, Policy, PolicySet
from streams.replay.deduplicate import deduplicate
from streams.replay.input_record import InputRecord
from streams.replay.replay import Replay
from streams.simulator.delivery import DeliveryCounts
from streams.simulator.options import SimulatorOptions
from streams.simulator.simulation import simulate
from tests.planted import EXPECTED, is_planted, named, planted_lines
from tests.scenario import MIDNIGHT

WEEK = SimulatorOptions(jobs=1_000, days=8, seed=13, report_interval_s=60, start_at=MIDNIGHT - 8 * DAY)
END = MIDNIGHT + 2 * DAY


def alerts(lines: Iterable[bytes]) -> list[AlertMessage]:
    records = ((number, InputRecord("week", 0, number, line)) for number, line in enumerate(lines))
    events = deduplicate(records, Limits(), None, facts_per_case_max=1_000).events
    messages = Replay(PolicySet((), Policy())).run(events, END)
    return [each for each in messages if isinstance(each, AlertMessage) and each.body.state == "firing"]


def test_each_planted_anomaly_is_found_once_and_no_decoy() -> None:
    week = list(simulate(WEEK, DeliveryCounts()))
    found = alerts([*week, *planted_lines(MIDNIGHT)])
    planted = [each.body for each in found if is_planted(each.body.labels)]
    assert sorted(named(each) for each in planted) == EXPECTED
    others = Counter(each.alert_id for each in found if not is_planted(each.body.labels))
    assert others == Counter(each.alert_id for each in alerts(week))
    assert len(others) > 100
