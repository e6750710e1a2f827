"""What the pages of a console are made with: everything that they need from outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import ParamSpec, Protocol, TypeVar

from starlette.requests import Request

from schemas.codec.limits import Limits
from schemas.outputs import Act
from streams.operations.dead_letters import DeadLetterRecord
from surfaces.console.access import Access
from surfaces.console.differences import DifferenceFolder
from surfaces.console.live import LiveFeed
from surfaces.console.policies import ConsolePolicies
from surfaces.console.sessions import Sessions
from surfaces.console.visitors import Visitor
from surfaces.console.workers import WorkerReport
from surfaces.read_model.questions import ReadModel

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh the read model is: whether it caught up with Kafka, as of when (microseconds), and what is wrong."""

    has_caught_up: bool
    as_of: int
    problem: str = ""


class Acts(Protocol):
    """Writes acts."""

    async def write(self, act: Act, subject: str, time: int) -> None:
        """Write an act at an instant (microseconds); raises `Unavailable` unless Kafka has taken it."""


class Redriver(Protocol):
    """Sends refused records again."""

    def send(self, dead_letters: Sequence[DeadLetterRecord]) -> AsyncIterator[tuple[DeadLetterRecord, str]]:
        """Send records again; yield each with its new place once Kafka has it; raises `Unavailable`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the pages are made with. `executor` runs queries; `now_us` is the clock in microseconds."""

    model: ReadModel
    access: Access
    sessions: Sessions
    acts: Acts
    redriver: Redriver
    feed: LiveFeed
    freshness: Callable[[], Freshness]
    workers: Callable[[], Sequence[WorkerReport]]
    policies: Callable[[], ConsolePolicies]
    differences: DifferenceFolder
    limits: Limits
    executor: Executor
    now_us: Callable[[], int]
    prefix: str
    is_secure: bool

    async def ask(self, query: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query in a thread and return its result."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, lambda: query(*args, **kwargs))


def parts_of(request: Request) -> Parts:
    """Return what the page of a request is made with."""
    parts: Parts = request.app.state.parts
    return parts


def visitor_of(request: Request) -> Visitor:
    """Return who is asking."""
    visitor: Visitor = request.state.visitor
    return visitor
