"""Policies that are published while workers run: known to all of them, and signed if they must be."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from tests.e2e.conftest import Day, run_sop
from tests.e2e.harness import DECISIONS, OUTPUTS, Bench, Feed, until
from tests.e2e.test_crashes import parts
from tests.e2e.verifier import Outcome, emitted, outcome, violations

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

NOON = "2025-01-06T12:00:00+05:30"
STRICT = f'label = "strict"\neffective_from = {NOON}\n\n[proof]\nmin_images = 2\n\n[park]\nduration = "1 h"\n'
"""Halfway through the simulated day."""


def sop(bench: Bench, *arguments: str | Path, **settings: object) -> subprocess.CompletedProcess[str]:
    return run_sop(*arguments, env=bench.environment(**settings))


def replayed(bench: Bench, folder: Path, lines: list[bytes], *, policies: Path) -> Outcome:
    """Return the outcome of a replay up to now under some policies, by their dates."""
    events, out = folder / "events.jsonl", folder / "out.jsonl"
    events.write_bytes(b"\n".join(lines))
    now = datetime.now(UTC).isoformat()  # noqa: TID251 - the live clock
    done = sop(bench, "replay", events, "--out", out, "--until", now, SOP_POLICIES=policies)
    assert done.returncode == 0, done.stderr
    return outcome(json.loads(line) for line in out.read_bytes().splitlines())


def kafka_replayed(bench: Bench, folder: Path) -> Outcome:
    """Return the outcome of a replay of the topics, with the policies that are published there."""
    now, out = datetime.now(UTC).isoformat(), folder / "kafka.jsonl"  # noqa: TID251 - the live clock
    done = sop(bench, "replay", f"kafka://{bench.brokers}/{bench.prefix}", "--out", out, "--until", now)
    assert done.returncode == 0, done.stderr
    messages = [json.loads(line) for line in out.read_bytes().splitlines()]
    return outcome(messages)


def labels(bench: Bench, *topics: str) -> set[str]:
    """Return the labels of the policies that decisions were made under."""
    return {json.loads(each.value)["data"]["policy"].partition("@")[0] for each in bench.read(*topics)}


def test_all_workers_decide_under_a_policy_that_is_published_under_load(
    make_bench: Callable[[str], Bench], redis_server: object, short_day: Day, tmp_path: Path
) -> None:
    bench = make_bench(redis_server.url)  # type: ignore[attr-defined] # a RedisServer
    bench.settings = {"SOP_SESSION_TIMEOUT_S": "2", "SOP_CACHED_CASES_MAX": "5"}
    document = tmp_path / "strict.toml"
    document.write_text(STRICT)
    first = bench.start_ready()
    bench.start_ready()
    morning, noon, evening = parts(short_day.lines, 3)
    bench.feed_lines(morning)
    until(lambda: bench.written(*DECISIONS) > 0, bench.lag)

    refused = sop(bench, "policy", "publish", document)
    assert refused.returncode == 2
    assert "effective_from: in force from 2025-01-06T06:30:00Z" in refused.stderr
    events = tmp_path / "morning.jsonl"
    events.write_bytes(b"\n".join(morning))
    shown = sop(bench, "policy", "publish", document, "--retroactive", "--input", events)
    assert (shown.returncode, "not published" in shown.stdout) == (0, True), shown.stderr
    done = sop(bench, "policy", "publish", document, "--retroactive", "--input", events, "--yes")
    assert done.returncode == 0, done.stderr
    assert "is published on" in done.stdout

    bench.feed_lines(noon)
    first.kill()
    bench.start_ready()
    bench.feed(
        [Feed("policies", b"broken", b'label = "broken"\n[proof]\nmin_images = 0\n'), Feed("policies", b"strict", b"")]
    )
    bench.feed_lines(evening)
    bench.workers[1].kill()
    last = bench.start_ready()
    bench.wait_until_idle()
    expected = replayed(bench, tmp_path, short_day.lines, policies=document)
    assert expected != short_day.replayed, "the policy changes something"

    def now() -> Outcome:
        return outcome(each.envelope for each in emitted(bench.outputs()))

    until(lambda: now() == expected, lambda: [worker.log[-800:] for worker in bench.workers], 60.0)
    bench.wait_until_idle()
    assert kafka_replayed(bench, tmp_path) == expected
    messages = emitted(bench.outputs())
    assert violations(messages) == []
    assert labels(bench, *DECISIONS) == {"default", "strict"}
    assert any("policies-0:0" in each.envelope["inputs"] for each in messages if "inputs" in each.envelope)
    until(lambda: "policies-0@1: proof.min_images: must be at least 1" in last.log, lambda: last.log)
    listed = sop(bench, "policy", "list", "--json")
    assert [(each["label"], each["from"], each["now"]) for each in json.loads(listed.stdout)] == [
        ("default", "built-in", "no"),
        ("strict", "the topic", "yes"),
    ]
    assert "min_images = 2" in sop(bench, "policy", "show", "strict").stdout


def test_a_document_needs_the_signatures_of_two_of_the_named_keys(bench: Bench, tmp_path: Path) -> None:
    keys = {
        name: sop(bench, "audit", "keygen", name, "--out", tmp_path / name).stdout.strip() for name in ("a", "b", "c")
    }
    bench.settings = {"SOP_POLICY_KEYS": f"{keys['a']},{keys['b']}"}
    document = tmp_path / "soon.toml"
    document.write_text('label = "soon"\neffective_from = 2100-01-01T00:00:00Z\npark.duration = "1 h"\n')
    worker = bench.start_ready()

    def sign(key: str) -> None:
        signed = sop(bench, "policy", "sign", document, "--key-file", tmp_path / key)
        assert signed.returncode == 0, signed.stderr

    for signer in (None, "a", "c"):
        if signer is not None:
            sign(signer)
        refused = sop(bench, "policy", "publish", document)
        assert refused.returncode == 2
        assert "signatures: " in refused.stderr
    bench.feed([Feed("policies", b"soon", document.read_bytes())])
    until(lambda: "policies-0@0: signatures: none of the keys of SOP_POLICY_KEYS has signed it" in worker.log)
    sign("b")
    done = sop(bench, "policy", "publish", document)
    assert done.returncode == 0, done.stderr
    until(lambda: "policy soon@" in worker.log, lambda: worker.log)


def test_a_shadow_writes_nothing_but_what_is_its_own(
    make_bench: Callable[[str], Bench], redis_server: object, short_day: Day, tmp_path: Path
) -> None:
    bench = make_bench(redis_server.url)  # type: ignore[attr-defined] # a RedisServer
    document = tmp_path / "strict.toml"
    document.write_text(STRICT.replace(NOON, "2099-01-01T00:00:00Z"))
    published = sop(bench, "policy", "publish", document)
    assert published.returncode == 0, published.stderr
    bench.start_ready()
    bench.feed_lines(short_day.lines)
    bench.wait_until_idle()
    live = bench.outputs()
    shadow = bench.start_ready(SOP_SHADOW="strict")
    shadows = [f"shadow.{name}" for name in OUTPUTS]
    done = sop(bench, "status", SOP_SHADOW="strict", SOP_GROUP=bench.group)
    assert "group shadow." in done.stdout, done.stderr

    def is_done() -> bool:
        status = json.loads(sop(bench, "status", "--json", SOP_SHADOW="strict").stdout)
        return all(each["lag"] == 0 for each in status["partitions"]) and bench.written("shadow.decisions.paf") > 0

    until(is_done, lambda: shadow.log)
    assert shadow.stop() == 0
    bench.wait_until_idle()
    assert bench.outputs() == live
    assert labels(bench, *(f"shadow.{name}" for name in DECISIONS)) == {"strict"}
    assert labels(bench, *DECISIONS) == {"default"}
    assert len(bench.read(*shadows)) > 0
    admin = AdminClient({"bootstrap.servers": bench.brokers, "log_level": 0})  # must live until the answer comes
    ours = {group.group_id for group in admin.list_consumer_groups().result().valid if bench.prefix in group.group_id}
    assert ours <= {bench.group, f"shadow.{bench.group}"}


def test_a_shadow_of_an_unknown_policy_does_not_start(bench: Bench) -> None:
    missing = sop(bench, "worker", SOP_SHADOW="unknown")
    assert (missing.returncode, "has no topic" in missing.stderr) == (2, True), "it creates no topic of others"
    assert sop(bench, "topics", "create", "--apply").returncode == 0
    done = sop(bench, "worker", SOP_SHADOW="unknown")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("sop: SOP_SHADOW: 'unknown' is no policy in SOP_POLICIES or on ")
