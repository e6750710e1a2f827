"""Which policies there are after some records of their topic: by label, dated, and never taken from decisions."""

from __future__ import annotations

import pytest

from agents.sops.catalogue import POLICIES
from schemas.errors import PolicyError
from schemas.policy.model import MINUTE, PolicySet
from schemas.timestamps import parse_instant
from streams.policies.book import PolicyBook
from streams.runtime.ports import Stored

NOON = parse_instant("2026-11-21T12:00:00Z")
AT_NOON = "effective_from = 2026-11-21T12:00:00Z\n"
"""From when the policies of these tests are in force."""

Row = tuple[str | None, bytes | None]


def document(label: str, *lines: str) -> bytes:
    return "\n".join((f'label = "{label}"', *lines)).encode()


PARK = document("park", AT_NOON, "park.duration = '1h'")
OTHER_PARK = document("park", AT_NOON, "park.duration = '2h'")


def taken(*records: tuple[str, bytes | None, int], in_files: PolicySet | None = None) -> tuple[PolicyBook, list[str]]:
    """Return a book that was given records (key, value, when: minutes from noon), and why some were refused."""
    book, refusals = PolicyBook(in_files or PolicySet((), POLICIES.default)), []
    for offset, (key, value, minutes) in enumerate(records):
        record = Stored(offset, key.encode("latin-1"), value, timestamp=(NOON + minutes * MINUTE) // 1000)
        try:
            book.take(record, f"policies-0@{offset}")
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
