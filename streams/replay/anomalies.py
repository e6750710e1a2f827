"""Raises the alerts over several cases in a replay, at each instant after everything else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Final, TypeVar, cast

from agents.anomalies.area_watch import AreaWatch
from agents.anomalies.messages import Contribution
from agents.anomaly_agent import AnomalyAgent
from schemas.outputs import AlertMessage
from schemas.policy.model import PolicySet

OF_CASE: Final = 0
OF_PARTNER: Final = 1
CONTRIBUTION: Final = 2
"""The sources of what is due, in the order in which it is due at one instant; what watches emit comes last."""

T = TypeVar("T")


def with_anomalies(
    steps: Iterable[tuple[int, int, str, int, T | list[Contribution]]], policies: PolicySet
) -> Iterator[T | AlertMessage]:
    """Yield what is due in a replay, with the alerts over several cases in the place of the contributions of cases.

    A step is a sort key (instant in microseconds, source, subject, number) with what is due. The steps are in order.
    """
    agent = AnomalyAgent(policies, remembered=None)
    for now, at_once in groupby(steps, key=itemgetter(0)):
        watches: set[str] = set()
        for _, source, _, _, due in at_once:
            if source != CONTRIBUTION:
                yield cast("T", due)
                continue
            for contribution in cast("list[Contribution]", due):
                agent.receive(contribution)
                watches.add(contribution.watch)
        yield from _alerts(agent, watches, now)


def _alerts(agent: AnomalyAgent, watches: set[str], now: int) -> Iterator[AlertMessage]:
    """Yield the alerts of watches that received something, once they have sent each other all that follows."""
    while watches:
        reached: set[str] = set()
        for watch in sorted(watches, key=lambda each: (isinstance(agent.watch(each), AreaWatch), each)):
            update = agent.evaluate(watch, now)
            yield from update.alerts
            for message in update.messages:
                agent.receive(message)
                reached.add(message.watch)
        watches = reached
