"""The fetcher retries for a while when a broker reports a damaged log, then reports it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from aiokafka.structs import TopicPartition

from schemas.errors import Fatal
from streams.kafka import fetcher
from streams.kafka.fetcher import ReportingFetcher

CORRUPT_MESSAGE = 2


async def test_only_lasting_damage_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetcher, "RETRY_S", 0.0)
    reporting = ReportingFetcher.__new__(ReportingFetcher)
    reporting._damaged_since, reporting._records, reporting._fetch_waiters = {}, {}, set()
    reporting._prefetch_backoff = 0.0
    request = SimpleNamespace(topics=[("jobs", [(0, 7, 1), (1, 9, 1)])])
    tp = TopicPartition("jobs", 0)

    async def respond(error: int) -> None:
        await reporting._observe(request, SimpleNamespace(topics=[("jobs", [(0, error, 0), (1, 0, 0)])]))

    monkeypatch.setattr(fetcher, "DAMAGED_FOR_S", 1e9)
    for error in (CORRUPT_MESSAGE, 0, CORRUPT_MESSAGE):
        await respond(error)
    assert reporting._records == {}
    monkeypatch.setattr(fetcher, "DAMAGED_FOR_S", 0.0)
    await respond(0)
    assert reporting._records == {}
    await respond(CORRUPT_MESSAGE)
    await respond(CORRUPT_MESSAGE)
    with pytest.raises(Fatal, match=r"^jobs-0@7: the broker finds its log damaged there"):
        reporting._records[tp].check_raise()
