"""The archive beside a real worker: every committed record once, however often its process is killed."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from agents.sops import catalogue
from streams.simulator.rng import Rng
from tests.e2e.conftest import Day, run_sop
from tests.e2e.harness import OUTPUTS, Bench, Record, until
from tests.e2e.test_crashes import parts
from tests.zygote import SOP

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

KILLS = 8
SMALL_FILES = {"SOP_ARCHIVE_FILE_BYTES_MAX": "20000", "SOP_ARCHIVE_FILE_AGE_S": "0.3"}


def records_of(bench: Bench) -> list[Record]:
    """Return all committed records of the topics that are archived."""
    topics = catalogue.topics()
    return bench.read(*topics.inputs, *(each for each in OUTPUTS if each != topics.latest), topics.cases)


def archived(bench: Bench, where: Path) -> list[dict[str, object]]:
    """Return all rows of an archive, as a query finds them."""
    sql = 'SELECT topic, partition, "offset", key, text, len(headers) AS headers FROM records ORDER BY 1, 2, 3'
    done = run_sop("archive", "query", str(where), sql, "--json", env=bench.environment())
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_record_is_in_the_archive_once_across_kills(bench: Bench, short_day: Day, tmp_path: Path) -> None:
    where, rng = tmp_path / "archive", Rng("archive", 1)
    worker = bench.start_ready()
    for part in parts(short_day.lines, KILLS):
        environment = bench.environment(**SMALL_FILES)
        archiver = subprocess.Popen([SOP, "archive", str(where)], env=environment, stderr=subprocess.DEVNULL)
        bench.feed_lines(part)
        time.sleep(rng.between(0.5, 2.0))
        archiver.kill()
        archiver.wait()
    bench.wait_until_idle()
    assert worker.stop() == 0
    done = run_sop("archive", str(where), "--once", env=bench.environment())
    assert done.returncode == 0, done.stderr
    expected = records_of(bench)
    checked = run_sop("archive", "check", str(where), env=bench.environment())
    assert checked.returncode == 0, checked.stderr
    assert f" files, {len(expected)} records of " in checked.stdout
    assert [
        (str(row["topic"]).removeprefix(bench.prefix), row["partition"], row["offset"], row["key"])
        for row in archived(bench, where)
    ] == sorted(
        (each.topic, each.partition, each.offset, each.key.decode() if each.key is not None else None)
        for each in expected
    )


def test_an_archive_is_replayed_and_explained_like_what_was_fed(bench: Bench, short_day: Day, tmp_path: Path) -> None:
    where = tmp_path / "archive"
    worker = bench.start_ready()
    bench.feed_lines(short_day.lines)
    bench.wait_until_idle()
    assert worker.stop() == 0
    assert run_sop("archive", str(where), "--once", env=bench.environment()).returncode == 0
    recorded = tmp_path / "day.jsonl"
    recorded.write_bytes(b"".join(line + b"\n" for line in short_day.lines))
    outputs = []
    for source in (where, recorded):
        done = run_sop("replay", str(source), "--out", "-", env=bench.environment())
        assert done.returncode == 0, done.stderr
        outputs.append([line for line in done.stdout.splitlines() if '"type":"dead-letter' not in line])
    assert outputs[0] == outputs[1]
    case_id = json.loads(next(line for line in outputs[0] if '"decision.' in line))["subject"]
    texts = [
        run_sop("case", case_id, "--input", str(source), "--json", env=bench.environment()).stdout
        for source in (where, recorded)
    ]
    explained = [json.loads(text) for text in texts]
    assert explained[0]["facts"]
    assert explained[0]["explained"] == explained[1]["explained"]


def test_only_one_process_writes_to_an_archive(bench: Bench, tmp_path: Path) -> None:
    first = subprocess.Popen([SOP, "archive", str(tmp_path)], env=bench.environment(), stderr=subprocess.PIPE)
    try:
        until((tmp_path / ".lock").exists)
        second = run_sop("archive", str(tmp_path), "--once", env=bench.environment())
        assert (second.returncode, second.stderr) == (2, f"sop: {tmp_path}: another process writes to this archive\n")
    finally:
        first.terminate()
        assert first.communicate()[0] is None
        assert first.returncode == 0


def test_checkpoints_come_to_their_topic_and_the_archive_is_verified_with_the_public_key_alone(
    bench: Bench, short_day: Day, tmp_path: Path
) -> None:
    where, key = tmp_path / "archive", tmp_path / "log.key"
    public = run_sop("audit", "keygen", "example.com/archive", "--out", str(key)).stdout.strip()
    environment = bench.environment(**SMALL_FILES, SOP_AUDIT_KEY_FILE=str(key))
    worker = bench.start_ready()
    for part in parts(short_day.lines, 2):
        bench.feed_lines(part)
        bench.wait_until_idle()
        assert run_sop("archive", str(where), "--once", env=environment).returncode == 0
    assert worker.stop() == 0
    checkpoints = bench.read("audit.checkpoints")
    assert {each.key for each in checkpoints} == {b"example.com/archive"}
    assert checkpoints[-1].value == (where / "log/checkpoint").read_bytes()
    older = tmp_path / "older"
    older.write_bytes(checkpoints[0].value or b"")
    done = run_sop("audit", "verify", str(where), "--key", public, "--checkpoint", str(older))
    assert done.returncode == 0, done.stderr
    decisions = bench.read("decisions.paf")
    proof = tmp_path / "proof.json"
    decision_id = json.loads(decisions[0].value or b"")["id"]
    assert run_sop("audit", "prove", str(where), decision_id, "--key", public, "--out", str(proof)).returncode == 0
    done = run_sop("audit", "check-proof", str(proof), "--key", public)
    assert done.returncode == 0
    assert done.stdout.splitlines()[1].encode() == decisions[0].value
