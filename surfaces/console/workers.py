"""How the workers do by their own metrics, asked in the background, so that no page waits for a worker."""

from __future__ import annotations

import asyncio
import math
import socket
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from schemas.errors import Unavailable
from surfaces.http_failures import http_failures

EVERY_S: Final = 5.0
TIMEOUT_S: Final = 2.0
WINDOW: Final = 13
"""Over how many answers of a worker rates are taken: a minute."""
METRICS_BYTES_MAX: Final = 4 * 1024 * 1024

CONSUMED: Final = "sop_records_consumed_total"
DECISION_DELAY: Final = "sop_event_to_decision_seconds"
CHECKPOINT_AGE: Final = "sop_checkpoint_age_seconds"
WAITING: Final = "sop_records_waiting"
CASES: Final = "sop_cases_in_memory"
"""Metrics of a worker, as docs/operations.md lists them."""

NO_WORKER: Final = "it answers, but is no worker"
_ODDITIES: Final = (ValueError, LookupError, OverflowError)
"""What text that is no worker's metrics raises, in the parser or where its numbers and labels are read."""

Get = Callable[[str], Awaitable[str]]
"""Returns the text at an address; raises `Unavailable`."""


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What a worker (`host:port`) said last, or the problem in getting it. Rates and delays are of the last minute."""

    address: str
    problem: str = ""
    partitions: Sequence[int] = ()
    records_per_s: float = 0.0
    delay_s: float | None = None
    """Within which time 95 % of events were decided: the upper bound of a histogram's bucket. None: there were none.

    Infinite if that is beyond the last bound, `delay_s_max`.
    """
    delay_s_max: float = 0.0
    unsaved_s: float = 0.0
    """The age of the oldest change that no checkpoint contains."""
    waiting: int = 0
    """Records that wait for the store."""
    cases: int = 0
    """Cases in memory."""


class _Totals(NamedTuple):
    """What a worker has counted up to an instant (seconds)."""

    at_s: float
    consumed: float
    delays: Counter[float]
    """How many events were decided within each bound (seconds)."""


class Workers:
    """Asks the metrics at some addresses (`host:port`; a name may stand for several workers) every few seconds."""

    def __init__(self, addresses: Sequence[str], get: Get, clock: Callable[[], float]) -> None:
        self._addresses, self._get, self._clock = addresses, get, clock
        self._totals: dict[str, deque[_Totals]] = {}
        self.reports: Sequence[WorkerReport] = ()

    async def run(self) -> None:
        """Ask until cancelled."""
        while self._addresses:
            await self.ask()
            await asyncio.sleep(EVERY_S)
        await asyncio.Event().wait()

    async def ask(self) -> None:
        """Ask all workers once, side by side."""
        found = await asyncio.gather(*map(_resolved, self._addresses))
        addresses = sorted({each for some in found for each in some})
        self._totals = {each: self._totals.get(each) or deque(maxlen=WINDOW) for each in addresses}
        self.reports = await asyncio.gather(*map(self._report, addresses))

    async def _report(self, address: str) -> WorkerReport:
        totals = self._totals[address]
        try:
            samples = _samples(await self._get(f"http://{address}/metrics"))
            last = _totals_in(samples, self._clock())
            if totals and last.consumed < totals[-1].consumed:
                totals.clear()  # it was started again, or others took partitions over
            totals.append(last)
            return _report_of(address, samples, totals[0], last)
        except Unavailable as error:
            problem = str(error)
        except _ODDITIES:
            problem = NO_WORKER
        totals.clear()
        return WorkerReport(address, problem)


def _totals_in(samples: Sequence[Sample], now_s: float) -> _Totals:
    delays = Counter[float]()
    for each in samples:
        if each.name == f"{DECISION_DELAY}_bucket":
            delays[float(each.labels["le"])] += int(each.value)
    return _Totals(now_s, _sum(samples, CONSUMED), delays)


def _report_of(address: str, samples: Sequence[Sample], first: _Totals, last: _Totals) -> WorkerReport:
    seconds = last.at_s - first.at_s
    return WorkerReport(
        address,
        partitions=sorted({int(each.labels["partition"]) for each in samples if each.name == CASES}),
        records_per_s=(last.consumed - first.consumed) / seconds if seconds else 0.0,
        delay_s=_percentile({bound: count - first.delays[bound] for bound, count in last.delays.items()}),
        delay_s_max=max((bound for bound in last.delays if bound < math.inf), default=0.0),
        unsaved_s=max((each.value for each in samples if each.name == CHECKPOINT_AGE), default=0.0),
        waiting=int(_sum(samples, WAITING)),
        cases=int(_sum(samples, CASES)),
    )


def _percentile(within: dict[float, int]) -> float | None:
    """Return the least bound within which 95 % lie, infinite if they lie beyond the last finite one."""
    count = within.get(math.inf, 0)
    return min(bound for bound in within if within[bound] >= 0.95 * count) if count else None


def _sum(samples: Iterable[Sample], name: str) -> float:
    return sum(each.value for each in samples if each.name == name)


def _samples(text: str) -> Sequence[Sample]:
    """Return the samples of a worker's metrics; raises `Unavailable` or one of `_ODDITIES` if it is no worker's."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    if not any(each.name.startswith("sop_") for each in samples):
        raise Unavailable(NO_WORKER)
    return samples


async def _resolved(address: str) -> Sequence[str]:
    """Return an address for each that its host has; itself if that is one, or is not known."""
    host, _, port = address.rpartition(":")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # UnicodeError: a host that no look-up takes
        return (address,)
    hosts = {str(name[0]) for family, *_, name in found if family == socket.AF_INET}
    return [f"{each}:{port}" for each in sorted(hosts)] if len(hosts) > 1 else (address,)


async def text_at(url: str) -> str:
    """Return the text at an address, within bounds of time and size; follows no redirect and uses no proxy.

    Raises `Unavailable` if that fails.
    """
    with http_failures(TIMEOUT_S):
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            status, text = response.status, bytearray()
            async for part in response.content.iter_chunked(65536):
                text += part
                if len(text) > METRICS_BYTES_MAX:
                    raise Unavailable(f"it answers with more than {METRICS_BYTES_MAX} bytes")
    if status != 200:
        raise Unavailable(f"it answers with status {status}")
    return text.decode(errors="replace")
