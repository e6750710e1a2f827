"""Every decision of an archive is made anew with the same result, and what was altered is found and named."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.sops import catalogue
from agents.sops.tables.decisions import DecisionTable, Row
from schemas.errors import UsageError
from schemas.policy.model import PolicySet
from streams.archive.layout import SUFFIX
from streams.archive.reading import ArchiveReader
from streams.audit.verify import verify_archive
from streams.certificate.policies import policy_history
from streams.policies.book import PolicyBook
from streams.runtime.ports import TP
from streams.sealing.people import case
from streams.sealing.person_keys import PersonKeys
from streams.sealing.sealing import Opener
from surfaces.sink.ports import Record
from tests.archives import WatchedFolder, archive_in, record
from tests.certified import (
    POLICIES,
    POLICY,
    archive_of,
    case_with_revisions,
    certified,
    findings,
    records_of,
)
from tests.decided import TOPICS, Desk, archivable
from tests.scenario import instant, policy_with
from tests.simulation.checks import quarantined
from tests.simulation.run import run_world

SEEDS = 24
PUBLISHED = (("a", "2026-01-01T00:00:00Z"), ("b", "2026-02-01T00:00:00Z"), ("a", "2026-03-01T00:00:00Z"))
"""Policies in the order of their publication; the last one takes the place of the first."""
PAF_KEY = "job-1|paf|out_of_scope|p1"


@pytest.fixture
async def records() -> list[Record]:
    return await records_of(case_with_revisions())


def replaced(records: Sequence[Record], name: str, old: bytes, new: bytes) -> list[Record]:
    """Return records with the value of an event altered."""
    changed = [each for each in records if b'"id": "%b"' % name.encode() in (each.value or b"")]
    assert changed
    assert all(old in (each.value or b"") for each in changed)
    return [each._replace(value=(each.value or b"").replace(old, new)) if each in changed else each for each in records]


@pytest.mark.parametrize("group", range(4))
def test_after_crashes_every_revision_is_decided_the_same(group: int, tmp_path: Path) -> None:
    """Kills, lost checkpoints, late and repeated facts, forwards, refusals and presence queries are in the seeds."""
    revisions = faults = forwarded = refused = 0
    for seed in range(1 + group * SEEDS // 4, 1 + (group + 1) * SEEDS // 4):
        world = run_world(seed)
        kafka, topics = world.kafka, world.topics
        archived = archive_of(archivable(kafka, topics, world.partitions), tmp_path / str(seed))
        found = certified(archived, world.processor_settings.policies.known.policies)
        given_up = {name.removeprefix("case:") for name in quarantined(world)}
        wrong = [each for each in findings(found) if each.decision_key.partition("|")[0] not in given_up]
        assert wrong == [], seed
        assert all(each.status == "missing" for each in findings(found))
        revisions += found.statement.predicate.revisions["same"]
        faults += len(world.faults_met)
        refused += kafka.count([topics.dead_letters])
        forwarded += sum(b"forwarded" in (each.value or b"") for each in kafka.committed(TP(topics.cases, 0)))
    assert revisions > 80
    assert min(faults, forwarded, refused) > 0


@pytest.mark.parametrize("seed", [20, 259, 1073])
def test_what_a_lost_transaction_or_state_has_changed_is_decided_the_same(seed: int, tmp_path: Path) -> None:
    """A transaction hangs in one topic, and a new owner emits that revision later; or it refuses what counted before.

    The second happens to an owner without a checkpoint if a case is full: it finds it full of other facts.
    """
    world = run_world(seed)
    archived = archive_of(archivable(world.kafka, world.topics, world.partitions), tmp_path)
    assert certified(archived, world.processor_settings.policies.known.policies).statement.predicate.is_all_same


async def test_intermediate_revisions_are_decided_the_same(records: list[Record], tmp_path: Path) -> None:
    found = certified(archive_of(records, tmp_path)).statement.predicate
    assert found.is_all_same
    assert found.decisions["same"] == 5
    assert found.revisions["same"] > found.decisions["same"]
    assert found.cases == 1
    assert found.policies == (POLICY.name,)


async def test_each_file_is_read_once_but_for_messages_to_cases(records: list[Record], tmp_path: Path) -> None:
    archived = archive_of(records, tmp_path)
    folder = WatchedFolder(archived.path)
    certified(archived, folder=folder)
    read = Counter(path for path in folder.called("read") if path.endswith(SUFFIX))
    assert {path.partition("/")[0]: count for path, count in read.items() if count > 1} == {"internal.cases": 2}
    assert folder.called("open") == []
    assert {*read} == {each.path for each in folder.names() if each.topic not in {"actions", "alerts"}}


async def test_one_case_alone_is_decided_the_same(records: list[Record], tmp_path: Path) -> None:
    archived = archive_of(records, tmp_path)
    found = certified(archived, case_id="job-1")
    assert found.decisions == certified(archived).decisions
    assert set(found.decisions.values()) == {"same"}
    with pytest.raises(UsageError, match="nothing about the case job-2"):
        certified(archived, case_id="job-2")


async def test_an_altered_fact_is_found_in_every_revision_that_rests_on_it(
    records: list[Record], tmp_path: Path
) -> None:
    altered = replaced(records, "validated2", b'"genuine"', b'"not_genuine"')
    found = certified(archive_of(altered, tmp_path))
    assert found.decisions[PAF_KEY] == "different"
    different = [each for each in findings(found) if each.decision_key == PAF_KEY]
    (finding,) = different
    assert finding.revision == 3
    assert "outcome" in {each.field for each in finding.fields}
    assert "/s#validated2" in {*finding.rests_on, *finding.facts.archived_only, *finding.facts.decided_only}


async def test_an_altered_rule_is_found_with_its_clauses(
    records: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row_of = DecisionTable.row

    def row_with_another_clause(table: DecisionTable[Any], facts: Any) -> Row[Any] | None:
        row = row_of(table, facts)
        return replace(row, clauses=("OOS-4",)) if row is not None and row.name == "P2" else row

    monkeypatch.setattr(DecisionTable, "row", row_with_another_clause)
    found = certified(archive_of(records, tmp_path))
    (finding,) = findings(found)
    assert (finding.decision_key, finding.revision, finding.status) == (PAF_KEY, 2, "different")
    assert (finding.clauses.archived_only, finding.clauses.decided_only) == (("OOS-18",), ("OOS-4",))


async def test_an_altered_policy_is_found_by_its_name(records: list[Record], tmp_path: Path) -> None:
    other = policy_with("[presence]\nradius_m = 501.0\n")
    found = certified(archive_of(records, tmp_path), PolicySet((), other))
    assert set(found.decisions.values()) == {"different"}
    for finding in findings(found):
        assert finding.why == f"the policy {POLICY.name} is not known"
        (policy,) = (each for each in finding.fields if each.field == "policy")
        assert (policy.archived, policy.decided) == (POLICY.name, other.name)


def decisions(records: Sequence[Record], topic: str = "decisions.paf") -> list[Record]:
    return [each for each in records if each.tp.topic == topic]


def without(records: Sequence[Record], *dropped: Record) -> list[Record]:
    return [each for each in records if each not in dropped]


async def test_revisions_that_were_taken_out_are_missing(records: list[Record], tmp_path: Path) -> None:
    of_paf = decisions(records)
    assert len(of_paf) >= 3
    for number, dropped in enumerate(([0], [1], [len(of_paf) - 1], range(len(of_paf)))):
        kept = without(records, *(of_paf[each] for each in dropped))
        found = certified(archive_of(kept, tmp_path / str(number)))
        missing = [each for each in findings(found) if each.status == "missing"]
        assert {each.decision_key for each in missing} == {PAF_KEY}
        assert found.decisions[PAF_KEY] == "missing"
        assert findings(found) == tuple(missing)
        assert findings(certified(archive_of(kept, tmp_path / f"{number}-case"), case_id="job-1")) == tuple(missing)
        if len(dropped) == 1:
            assert [each.revision for each in missing] == [dropped[0] + 1]


@pytest.mark.parametrize("field", ["supersedes", "decision_id", "content_hash", "cause", "explanation", "outcome"])
async def test_an_altered_field_of_a_decision_is_found(records: list[Record], tmp_path: Path, field: str) -> None:
    second = decisions(records)[1]
    envelope = json.loads(second.value or b"")
    envelope["data"][field] = ["/s#other"] if field == "cause" else "0" * 32
    altered = [each._replace(value=json.dumps(envelope).encode()) if each is second else each for each in records]
    found = [each for each in findings(certified(archive_of(altered, tmp_path))) if each.revision == 2]
    (finding,) = found
    assert (finding.status, finding.place) == ("different", f"decisions.paf-0@{second.offset}")
    assert [each.field for each in finding.fields] == [field]


async def test_a_decision_to_which_no_facts_lead_is_extra(records: list[Record], tmp_path: Path) -> None:
    last = decisions(records)[-1]
    forged = last._replace(
        offset=last.offset + 1, value=(last.value or b"").replace(b"job-1", b"job-9").replace(b"p1", b"p9")
    )
    found = certified(archive_of([*records, forged], tmp_path))
    assert found.decisions["job-9|paf|out_of_scope|p9"] == "missing"  # what it supersedes, and it is extra
    assert [each.status for each in findings(found) if each.place] == ["extra"]


async def test_a_record_that_is_no_decision_is_extra(records: list[Record], tmp_path: Path) -> None:
    last = decisions(records)[-1]
    value = b'{"type":"decision.paf","data":{"case_id":"job-1","kind":"paf"}}'
    found = certified(archive_of([*records, last._replace(offset=last.offset + 1, value=value)], tmp_path))
    (finding,) = findings(found)
    assert (finding.status, finding.place) == ("extra", f"decisions.paf-0@{last.offset + 1}")


async def test_what_rests_on_erased_facts_is_erased(records: list[Record], tmp_path: Path) -> None:
    sealed = replaced(records, "validated2", b'"video_call"', b'"sealed:c29tZXRoaW5n"')
    found = certified(archive_of(sealed, tmp_path)).statement.predicate
    assert found.revisions["erased"] > 0
    assert found.revisions["same"] > 0
    assert found.revisions["different"] == found.revisions["missing"] == found.revisions["extra"] == 0
    assert not found.is_all_same


async def test_a_sealed_dead_letter_still_says_what_was_refused(tmp_path: Path) -> None:
    desk = await Desk.with_policies(POLICIES)
    for event, line in zip(case_with_revisions().events(), case_with_revisions().lines(), strict=True):
        await desk.take([line], event.time)
    conflict = case_with_revisions().lines()[-1].replace(b"1500.00", b"1600.00")
    await desk.take([conflict], instant("20:00"))
    records = list(archivable(desk.kafka, TOPICS, 1))
    (letter,) = (each for each in records if each.tp.topic == "dead-letters")
    sealed = json.loads(letter.value or b"")
    sealed["data"] |= {"value": "sealed:abc", "key": "sealed:def"}
    kept = [*without(records, letter), letter._replace(value=json.dumps(sealed).encode())]
    assert certified(archive_of(kept, tmp_path)).statement.predicate.is_all_same


async def test_a_range_compares_what_was_published_in_it(records: list[Record], tmp_path: Path) -> None:
    altered = replaced(records, "validated", b'"not_genuine"', b'"genuine"')
    archived = archive_of(altered, tmp_path)
    after = certified(archived, begin=instant("14:00")).statement.predicate
    before = certified(archived, end=instant("12:30")).statement.predicate
    between = certified(archived, begin=instant("12:30"), end=instant("14:00")).statement.predicate
    assert not between.is_all_same
    assert before.is_all_same
    assert before.revisions["same"] > 0
    whole = certified(archived).statement.predicate
    assert whole.revisions == {
        status: after.revisions[status] + before.revisions[status] + between.revisions[status]
        for status in whole.revisions
    }


async def test_what_is_sealed_is_decided_the_same_with_the_keys_and_is_erased_without_them(
    records: list[Record], tmp_path: Path
) -> None:
    archived = archive_in(tmp_path / "archive")
    with closing(PersonKeys(str(tmp_path / "keys.sqlite"), bytes(32))) as keys:
        archived.add(records, keys=keys)
        found = certified(archived, open_record=Opener(keys).open_whole).statement.predicate
        assert found.is_all_same
        keys.erase(case("job-1"), (), records[0].timestamp)
        erased = certified(archived, open_record=Opener(keys).open_whole).statement.predicate
    assert erased.decisions == {**dict.fromkeys(erased.decisions, 0), "erased": sum(found.decisions.values())}
    assert not erased.is_all_same
    assert verify_archive(archived.folder, archived.verifier).records == len(records)


async def test_policies_come_from_their_topic_as_of_each_decision(tmp_path: Path) -> None:
    """A policy that was read later than a decision was made did not count for it, whatever it says of its beginning."""
    text = 'label = "later"\neffective_from = "2026-11-21T00:00:00Z"\n[presence]\nradius_m = 400.0\n'
    later = catalogue.POLICIES.read(text, "later")
    scenario = case_with_revisions()
    desk = await Desk.with_policies(POLICIES)
    for event, line in zip(scenario.events()[:6], scenario.lines()[:6], strict=True):
        await desk.take([line], event.time)
    desk.adopt(PolicySet((later,), POLICY), 1)
    published = record(TP("policies", 0), 0, text.encode(), key=b"later", timestamp=instant("12:40") // 1000)
    for event, line in zip(scenario.events()[6:], scenario.lines()[6:], strict=True):
        await desk.take([line], event.time)
    archived = archive_of([*archivable(desk.kafka, TOPICS, 1), published], tmp_path)
    found = certified(archived).statement.predicate
    assert found.differing == ()
    assert found.policies == tuple(sorted((POLICY.name, later.name)))
    unpublished = archive_of(archivable(desk.kafka, TOPICS, 1), tmp_path / "without")
    assert not certified(unpublished).statement.predicate.is_all_same


def test_input_positions_say_which_published_policies_were_known(tmp_path: Path) -> None:
    documents = [(label, f'label = "{label}"\neffective_from = "{at}"\n') for label, at in PUBLISHED]
    archived = archive_of(
        (
            record(TP("policies", 0), offset, document.encode(), key=label.encode(), timestamp=1_000 * offset)
            for offset, (label, document) in enumerate([*documents, ("a", "no policy")], start=3)
        ),
        tmp_path,
    )
    known = policy_history(ArchiveReader(archived.folder), "policies", PolicyBook(POLICIES))

    def labels(**positions: int) -> list[str]:
        return [each.label for each in known.at({name.replace("_", "-"): at for name, at in positions.items()}).all]

    assert labels(policies_0=3) == ["test"]
    assert labels(policies_0=4) == ["test", "a"]
    assert labels(policies_0=5) == ["test", "a", "b"]
    assert labels(jobs_0=4) == ["test"]
    assert labels(policies_0=7) == ["test", "b", "a"]
    assert len(known.names) == 4


async def test_a_fact_that_was_sent_to_another_partition_counts_once_it_was_forwarded(tmp_path: Path) -> None:
    desk = await Desk.with_policies(POLICIES, 2)
    scenario = case_with_revisions()
    for number, (event, line) in enumerate(zip(scenario.events(), scenario.lines(), strict=True)):
        await desk.take([line], event.time, partition=number % 2)
    await desk.decide(instant("10:00 +9d"))
    records = list(archivable(desk.kafka, TOPICS, 2))
    assert any(b"forwarded" in (each.value or b"") for each in records if each.tp.topic == TOPICS.cases)
    archived = archive_of(records, tmp_path)
    assert certified(archived).statement.predicate.is_all_same
    assert certified(archived, case_id="job-1").statement.predicate.is_all_same


async def test_a_topic_that_was_created_again_cannot_be_certified(records: list[Record], tmp_path: Path) -> None:
    archived = archive_of(records, tmp_path)
    archived.add([record(TP("jobs", 0), 0)._replace(topic_id="another")])
    with pytest.raises(UsageError, match="created again"):
        certified(archived)
