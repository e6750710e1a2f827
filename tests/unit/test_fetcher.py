"""Damage that a broker reports: waited out for a while, then told."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from aiokafka.structs import TopicPartition

from schemas.errors import Fatal
from streams.kafka import fetcher
from streams.kafka.fetcher import ReportingFetcher

CORRUPT_MESSAGE = 2


async def test_damage_that_another_try_does_not_find_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetcher, "ASK_AGAIN_S", 0.0)
    telling = ReportingFetcher.__new__(ReportingFetcher)
    telling._damaged_since, telling._records, telling._fetch_waiters = {}, {}, set()
    telling._prefetch_backoff = 0.0
    asked = SimpleNamespace(topics=[("jobs", [(0, 7, 1), (1, 9, 1)])])
    tp = TopicPartition("jobs", 0)

    async def answered(error: int) -> None:
        await telling._hear(asked, SimpleNamespace(topics=[("jobs", [(0, error, 0), (1, 0, 0)])]))

    monkeypatch.setattr(fetcher, "DAMAGED_FOR_S", 1e9)
    for error in (CORRUPT_MESSAGE, 0, CORRUPT_MESSAGE):
        await answered(error)
    assert telling._records == {}
    monkeypatch.setattr(fetcher, "DAMAGED_FOR_S", 0.0)
    await answered(0)
    assert telling._records == {}
    await answered(CORRUPT_MESSAGE)
    await answered(CORRUPT_MESSAGE)
    with pytest.raises(Fatal, match=r"^jobs-0@7: the broker finds its log damaged there"):
        telling._records[tp].check_raise()
