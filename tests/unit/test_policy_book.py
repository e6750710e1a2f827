"""Which policies there are after some records of their topic: by label, dated, and never taken from decisions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from agents.sops.catalogue import POLICIES
from schemas.errors import Fatal, PolicyError
from schemas.policy.model import MINUTE, PolicySet
from schemas.timestamps import parse_instant
from sop.main import run
from streams.operations import published_policies
from streams.policies.book import PolicyBook
from streams.policies.topic import why_not_taken
from streams.runtime.ports import TP, Place, Stored
from tests.archives import StoppedClock

NOON = parse_instant("2026-11-21T12:00:00Z")
AT_NOON = "effective_from = 2026-11-21T12:00:00Z\n"
"""From when the policies of these tests are in force."""

Row = tuple[str | None, bytes | None]


def document(label: str, *lines: str) -> bytes:
    return "\n".join((f'label = "{label}"', *lines)).encode()


PARK = document("park", AT_NOON, "park.duration = '1h'")
OTHER_PARK = document("park", AT_NOON, "park.duration = '2h'")


def stored(*records: tuple[str, bytes | None, int]) -> list[Stored]:
    """Return records (key, value, when: minutes from noon)."""
    return [
        Stored(offset, key.encode("latin-1"), value, timestamp=(NOON + minutes * MINUTE) // 1000)
        for offset, (key, value, minutes) in enumerate(records)
    ]


def taken(*records: tuple[str, bytes | None, int], in_files: PolicySet | None = None) -> tuple[PolicyBook, list[str]]:
    """Return a book that was given records, and why some were refused."""
    book, refusals = PolicyBook(in_files or PolicySet((), POLICIES.default)), []
    for record in stored(*records):
        try:
            book.take(record, f"policies-0@{record.offset}")
        except PolicyError as error:
            refusals.append(str(error))
    return book, refusals


def labels(book: PolicyBook) -> list[str]:
    return [policy.label for policy in book.policies.all]


@pytest.mark.parametrize(
    ("records", "known", "refusal"),
    [
        pytest.param([("park", PARK, -5)], ["default", "park"], None, id="a policy is published"),
        pytest.param([("park", PARK, 90)], ["default", "park"], None, id="in retrospect"),
        pytest.param([("park", PARK, -5), ("park", PARK, 5)], ["default", "park"], None, id="twice"),
        pytest.param([("park", PARK, -5), ("park", None, -2)], ["default"], None, id="withdrawn in time"),
        pytest.param([("never", None, 0)], ["default"], None, id="withdrawn, and was never there"),
        pytest.param(
            [("park", PARK, -5), ("park", None, 0)],
            ["default", "park"],
            "policies-0@1: label: 'park' cannot be withdrawn: it is in force from 2026-11-21T12:00:00Z, and",
            id="withdrawn less than a minute before it is in force",
        ),
        pytest.param(
            [("park", PARK, -5), ("park", OTHER_PARK, 3)],
            ["default", "park"],
            "policies-0@1: label: 'park' cannot be changed: it is in force from",
            id="changed while it is in force",
        ),
        pytest.param(
            [("always", document("always"), 0), ("always", None, 0)],
            ["default", "always"],
            "policies-0@1: label: 'always' cannot be withdrawn: it is in force always",
            id="one that is always in force is withdrawn",
        ),
        pytest.param(
            [("park", PARK, -5), ("parc", document("parc", AT_NOON), -4)],
            ["default", "park"],
            "policies-0@1: effective_from: the same as that of 'park'",
            id="two at one instant",
        ),
        pytest.param(
            [("park", document("kerb"), 0)],
            ["default"],
            "policies-0@0: label: 'kerb', but the key of the record is 'park'",
            id="another key",
        ),
        pytest.param([("park", b"label =", 0)], ["default"], "policies-0@0: not TOML: ", id="no TOML"),
        pytest.param([("park", b"\xff", 0)], ["default"], "policies-0@0: document: not UTF-8", id="no text"),
        pytest.param([("\xff", PARK, 0)], ["default"], "policies-0@0: document: not UTF-8", id="no text in the key"),
        pytest.param(
            [("park", document("park", "proof.min_images = 0"), 0)],
            ["default"],
            "policies-0@0: proof.min_images: must be at least 1",
            id="a value out of bounds",
        ),
    ],
)
def test_what_is_known_after_some_records(
    records: list[tuple[str, bytes | None, int]], known: list[str], refusal: str | None
) -> None:
    book, refusals = taken(*records)
    assert labels(book) == known
    assert [each.startswith(refusal or "") for each in refusals] == ([True] if refusal else []), refusals


def test_a_policy_that_is_not_in_force_yet_is_replaced() -> None:
    book, refusals = taken(("park", PARK, -5), ("park", OTHER_PARK, -2))
    assert refusals == []
    assert book.documents == {"park": OTHER_PARK.decode()}
    assert book.policies.at(NOON).name == POLICIES.read(OTHER_PARK.decode(), "").name


def test_files_and_topic_are_one_set() -> None:
    in_files = PolicySet([POLICIES.read(PARK.decode(), "")], POLICIES.default)
    same, refusals = taken(("park", PARK, 5), in_files=in_files)
    assert (labels(same), refusals) == (["default", "park"], []), "it may move from a file to the topic"
    for clash, why in (
        (OTHER_PARK, "policies-0@0: label: 'park' is the label of another policy too"),
        (document("parc", AT_NOON), "policies-0@0: effective_from: the same as that of 'park'"),
    ):
        key = "park" if clash is OTHER_PARK else "parc"
        book, refusals = taken((key, clash, 5), in_files=in_files)
        assert refusals == [why]
        assert book.policies.at(NOON).name == in_files.at(NOON).name


class Written:
    """A log of these records, which cannot be read without any."""

    def __init__(self, records: Sequence[Stored]) -> None:
        self._records = records

    async def read(self, tp: TP, start: int) -> AsyncIterator[list[Stored]]:
        if not self._records:
            raise Fatal(f"{tp.name}: cannot be read back")
        yield [each for each in self._records if each.offset >= start]


PARC = document("parc", AT_NOON)


@pytest.mark.parametrize(
    ("records", "offset", "reason"),
    [
        pytest.param([("park", PARK, -5)], 0, None, id="alone"),
        pytest.param([("park", OTHER_PARK, -5), ("park", PARK, -4)], 1, None, id="it replaces one not in force yet"),
        pytest.param([("park", b"label =", -9), ("park", PARK, -5)], 1, None, id="another one was refused"),
        pytest.param(
            [("park", OTHER_PARK, -5), ("park", PARK, 0)],
            1,
            "policies-0@1: label: 'park' cannot be changed: it is in force from 2026-11-21T12:00:00Z, and decisions "
            "may rest on it; publish another label",
            id="its label came into force meanwhile",
        ),
        pytest.param(
            [("parc", PARC, -5), ("park", PARK, -5)],
            1,
            "policies-0@1: effective_from: the same as that of 'parc'",
            id="somebody else published one of the same instant",
        ),
        pytest.param(
            [("park", PARK, -5), ("park", OTHER_PARK, -4)],
            0,
            "policies-0@0: another record of this label came after it",
            id="somebody else has replaced it",
        ),
        pytest.param([], 0, "policies-0: cannot be read back", id="nobody knows"),
    ],
)
async def test_a_policy_is_published_if_workers_have_it_then(
    records: list[tuple[str, bytes | None, int]], offset: int, reason: str | None
) -> None:
    policy, book = POLICIES.read(PARK.decode(), ""), PolicyBook(PolicySet((), POLICIES.default))
    log: Any = Written(stored(*records))
    assert await why_not_taken(log, book, policy, Place("policies", 0, offset)) == reason


@pytest.mark.parametrize(
    ("known", "reason", "waited", "status", "said"),
    [
        pytest.param([], None, 1, 0, "is published on policies", id="in time"),
        pytest.param([], None, 5, 2, "effective_from: in force from 2026-11-21T12:00:00Z", id="too late meanwhile"),
        pytest.param(
            [("park", OTHER_PARK, -9)],
            None,
            5,
            2,
            "label: 'park' cannot be changed",
            id="its label is in force meanwhile",
        ),
        pytest.param(
            [],
            "policies-0@3: effective_from: the same as that of 'parc'",
            1,
            1,
            "written to policies-0@3, but workers do not have it: policies-0@3: effective_from: the same as",
            id="refused by workers",
        ),
    ],
)
def test_publishing_succeeds_only_if_workers_have_the_policy(
    known: list[tuple[str, bytes | None, int]],
    reason: str | None,
    waited: int,
    status: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock, sent = StoppedClock(NOON - 6 * MINUTE), list[int]()

    async def read(*_: object) -> PolicyBook:
        return taken(*known)[0]

    async def create(*_: object) -> None:
        clock.us += waited * MINUTE + 1

    async def publish(*arguments: object) -> tuple[Place, str | None]:
        sent.append(clock.us)
        assert arguments[-1] == clock.us
        return Place("policies", 0, 3), reason

    monkeypatch.setattr("sop.commands.policy.SystemClock", lambda: clock)
    monkeypatch.setattr(published_policies, "read_policies", read)
    monkeypatch.setattr(published_policies, "create_policy_topic", create)
    monkeypatch.setattr(published_policies, "publish_policy", publish)
    file = tmp_path / "park.toml"
    file.write_bytes(PARK)
    assert run(["policy", "publish", str(file)]) == status
    printed = capsys.readouterr()
    assert said in (printed.err if status else printed.out)
    assert printed.err.count("\n") == bool(status)
    assert len(sent) == (status != 2), "what is refused here is not written"
