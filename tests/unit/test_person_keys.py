"""Whoever was erased has no key any more, and what is sealed is opened where it was sealed alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.errors import Fatal, UsageError
from streams.archive.records import ArchivedRecord
from streams.sealing.people import case, customer
from streams.sealing.person_keys import PersonKeys, make_master_key, read_master_key
from streams.sealing.sealing import Opener, seal
from tests.sealed import (
    AT_MS,
    event,
    name_of,
    record,
)


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[PersonKeys]:
    found = PersonKeys(str(tmp_path / "keys.sqlite"), bytes(32))
    yield found
    found.close()


def booked(keys: PersonKeys, case_id: str, customer_id: str, at: int = AT_MS) -> ArchivedRecord:
    booking = record(event("job.booked", {"customer_id": customer_id, "city": "x"}, case_id), case_id, at=at)
    return seal(keys, name_of("jobs"), [booking])[0]


def is_erased(keys: PersonKeys, each: ArchivedRecord) -> bool:
    return Opener(keys).open(name_of("jobs"), each).is_erased


def test_a_customer_is_erased_with_all_their_cases_and_nobody_else(keys: PersonKeys) -> None:
    mine, more, others = booked(keys, "a", "c-1"), booked(keys, "b", "c-1"), booked(keys, "c", "c-2")
    assert keys.cases_of(customer("c-1")) == ["a", "b"]
    assert keys.erase(customer("c-1"), ["a", "b"], AT_MS) == 2
    assert [is_erased(keys, each) for each in (mine, more, others)] == [True, True, False]
    assert keys.cases_of(customer("c-1")) == []


def test_what_an_erased_customer_left_elsewhere_is_dropped_and_a_new_case_is_kept(keys: PersonKeys) -> None:
    booked(keys, "a", "c-1")
    keys.erase(customer("c-1"), ["a"], AT_MS)
    late, before = booked(keys, "a", "c-1", AT_MS + 9), booked(keys, "b", "c-1")
    after = booked(keys, "n", "c-1", AT_MS + 9)
    assert [is_erased(keys, each) for each in (late, before, after)] == [True, True, False]
    assert [b"sealed:erased:" in (each.value or b"") for each in (late, before, after)] == [True, True, False]


def test_nothing_of_a_destroyed_key_and_of_a_person_is_left_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.sqlite"
    keys = PersonKeys(str(path), bytes(32))
    booked(keys, "a", "customer-9")
    key_id = keys.key_of(case("a")).id
    (wrapped,) = keys._database.execute("SELECT wrapped FROM keys WHERE key_id = ?", (key_id,)).fetchone()
    assert wrapped in path.read_bytes()
    keys.erase(customer("customer-9"), ["a"], AT_MS)
    keys.close()
    left = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert [each for each in (wrapped, key_id.encode(), b"customer-9") if each in left] == []


def test_a_sealed_part_is_bound_to_its_record(keys: PersonKeys) -> None:
    sealed = booked(keys, "a", "c-1")
    with pytest.raises(Fatal, match="jobs-0@8 of id: a sealed part is not of this record"):
        Opener(keys).open(name_of("jobs"), sealed._replace(offset=8))


def test_without_keys_all_that_is_sealed_counts_as_erased(keys: PersonKeys) -> None:
    sealed = booked(keys, "a", "c-1")
    assert Opener(None).open(name_of("jobs"), sealed) == (sealed, True)
    plain = record(event("job.booked", {"customer_id": "c-1"}))
    assert Opener(None).open(name_of("jobs"), plain) == (plain, False)


def test_a_file_of_keys_belongs_to_one_master_key(tmp_path: Path) -> None:
    master, path = str(tmp_path / "master"), str(tmp_path / "keys.sqlite")
    make_master_key(master)
    PersonKeys(path, read_master_key(master)).close()
    with pytest.raises(UsageError, match="it belongs to another master key"):
        PersonKeys(path, bytes(32))
    with pytest.raises(UsageError, match="master: File exists"):
        make_master_key(master)
    for content in (b"", b"abc", b"\xff"):
        Path(master).write_bytes(content)
        with pytest.raises(UsageError, match="master: not a master key"):
            read_master_key(master)
