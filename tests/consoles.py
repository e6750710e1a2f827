"""What tests of the console share: the application over a read model of its own, and recorders for what it does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ParamSpec, TypeVar

from starlette.types import ASGIApp

from agents.sops.catalogue import POLICIES
from schemas.codec.limits import Limits
from schemas.errors import Unavailable
from schemas.outputs import Act
from schemas.timestamps import SECOND_US
from streams.config.settings import Settings
from streams.operations.dead_letters import DeadLetterRecord
from streams.operations.signature_check import signature_check
from surfaces.console.access import access_from, host_names
from surfaces.console.app import console_app
from surfaces.console.differences import DifferenceFolder
from surfaces.console.live import LiveFeed
from surfaces.console.parts import Freshness, Parts
from surfaces.console.policies import console_policies
from surfaces.console.sessions import Sessions
from surfaces.console.workers import WorkerReport
from surfaces.read_model.database import SqliteDatabase
from surfaces.read_model.model import SqlReadModel
from surfaces.read_model.store import ReadModelStore
from surfaces.read_model.views import Changes
from surfaces.sink.ports import Record
from tests.read_models import TOPICS, store_in, write

P = ParamSpec("P")
T = TypeVar("T")

READER, ACTOR, LOOKER = "r" * 40, "a" * 40, "l" * 40
"""Tokens of those who may only read, who may act, and who may see personal data."""
TOKENS = f"""
[tokens.rita]
token = "{READER}"
rights = []
[tokens.anna]
token = "{ACTOR}"
rights = ["act"]
[tokens.lena]
token = "{LOOKER}"
rights = ["see_personal"]
[tokens.root]
token = "{"x" * 40}"
rights = ["act", "see_personal"]
"""
ALL = "x" * 40


class InThisThread(Executor):
    """Runs at once what others run in threads."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - whoever waits for the future gets it
            future.set_exception(error)
        return future


@dataclass
class RecordedActs:
    """Takes acts, or refuses them like a Kafka that does not answer."""

    written: list[tuple[Act, str]] = field(default_factory=list)
    problem: str = ""

    async def write(self, act: Act, subject: str, time: int) -> None:
        assert time > 0
        if self.problem:
            raise Unavailable(self.problem)
        self.written.append((act, subject))


@dataclass
class RecordedRedrives:
    """Takes records that are sent again, up to the first one that it refuses."""

    acts: RecordedActs
    sent: list[DeadLetterRecord] = field(default_factory=list)
    refuses_after: int | None = None

    async def send(self, dead_letters: Sequence[DeadLetterRecord]) -> AsyncIterator[tuple[DeadLetterRecord, str]]:
        assert self.acts.written, "sent before it was on record"
        for number, each in enumerate(dead_letters):
            if number == self.refuses_after:
                raise Unavailable("Kafka at k:9092 does not accept records")
            self.sent.append(each)
            yield each, f"jobs-0@{number}"


@dataclass
class TestConsole:
    """A console with its recorders; `freshness` is what its pages say of the data's age."""

    __test__ = False

    app: ASGIApp
    parts: Parts
    store: ReadModelStore
    acts: RecordedActs
    redrives: RecordedRedrives
    freshness: Freshness
    workers: Sequence[WorkerReport] = ()


@contextmanager
def console(
    folder: Path, records: Sequence[Record] = (), settings: Settings | None = None, *, now_us: int, tokens: str = TOKENS
) -> Iterator[TestConsole]:
    """Yield a console over a read model of some records, at an instant (microseconds)."""
    settings = settings or Settings()
    if tokens:
        (folder / "tokens.toml").write_text(tokens)
        settings = replace(settings, console_tokens_file=str(folder / "tokens.toml"))
    database = SqliteDatabase(folder / "console.sqlite")
    store = store_in(database, now_us)
    write(store, records)
    model, access, acts = SqlReadModel(database), access_from(settings), RecordedActs()
    with InThisThread() as executor:
        found: TestConsole

        async def changes(after: int) -> Changes:
            return await found.parts.ask(model.changes, after)

        async def last_seq() -> int:
            return model.overview(now_us, rows=1).last_seq

        redrives = RecordedRedrives(acts)
        parts = Parts(
            model=model,
            access=access,
            sessions=Sessions(access.secret),
            acts=acts,
            redriver=redrives,
            feed=LiveFeed(changes, last_seq),
            freshness=lambda: found.freshness,
            workers=lambda: found.workers,
            policies=console_policies(
                model, POLICIES.load_all(settings.policies), signature_check(settings), TOPICS.policies
            ),
            differences=DifferenceFolder(settings.console_policy_diffs),
            limits=Limits(),
            executor=executor,
            now_us=lambda: now_us,
            prefix="",
            is_secure=settings.console_url.startswith("https:"),
        )
        app = console_app(parts, host_names(settings))
        found = TestConsole(app, parts, store, acts, redrives, Freshness(has_caught_up=True, as_of=now_us - SECOND_US))
        yield found
    store.close()
