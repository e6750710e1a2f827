"""A ledger that follows the decisions of a real worker, both killed on the way, has the balances of the replay."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.topics import LATEST
from streams.kit.export import kit_files
from tests.e2e.harness import DECISIONS, Bench
from tests.integration.test_penalty_ledger import Reader, follow, killed_runs
from tests.kit import kit

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def test_a_ledger_of_a_worker_that_was_killed_has_the_balances_of_the_kit(redis_bench: Bench, tmp_path: Path) -> None:
    bench, lines = redis_bench, kit_files()["events.jsonl"].splitlines()
    bench.start_ready()
    bench.feed_lines(lines[:60])
    chains, latest = str(tmp_path / "chains.db"), str(tmp_path / "latest.db")
    bench.wait_until_idle()
    deaths = killed_runs(bench.brokers, bench.prefix, chains, DECISIONS, at=4)
    bench.workers[0].kill()
    bench.start_ready()
    bench.feed_lines(lines[60:])
    bench.wait_until_idle()
    deaths += killed_runs(bench.brokers, bench.prefix, chains, DECISIONS, at=4)
    assert deaths >= 2
    follow(bench.brokers, bench.prefix, latest, "--latest")
    wanted = kit()["plain"].ledger
    with Reader(chains) as followed, Reader(latest) as compacted:
        for books in (followed.books(), compacted.books()):
            assert (books["balances"], books["review"]) == (wanted["balances"], wanted["review"])
        assert followed.books() == compacted.books()
    assert {LATEST, *DECISIONS} == {each.topic for each in bench.read(LATEST, *DECISIONS)}
