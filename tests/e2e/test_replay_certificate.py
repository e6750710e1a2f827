"""What workers decided that were killed in mid-stream is decided the same anew, from the archive alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.conftest import Day, run_sop
from tests.e2e.harness import OUTPUTS, Bench, Record, until
from tests.e2e.test_crashes import KILLS, has_written, parts
from tests.redis_server import RedisServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

DECISIONS = tuple(each for each in OUTPUTS if each.startswith("decisions.") and each != "decisions.latest")


def revisions_of(bench: Bench) -> list[Record]:
    return bench.read(*DECISIONS)


@pytest.mark.parametrize("has_redis", [True, False])
def test_after_kills_every_revision_is_decided_the_same(
    has_redis: bool,
    make_bench: Callable[[str], Bench],
    redis_server: RedisServer,
    short_day: Day,
    tmp_path: Path,
) -> None:
    bench = make_bench(redis_server.url if has_redis else "")
    bench.settings = {"SOP_SESSION_TIMEOUT_S": "2"}
    key, where, certificate = (tmp_path / name for name in ("log.key", "archive", "certificate.json"))
    public = run_sop("audit", "keygen", "example.com/archive", "--out", key).stdout.strip()
    worker = bench.start_ready()
    for number, (records, part) in enumerate(zip(KILLS, parts(short_day.lines, len(KILLS)), strict=True)):
        wanted = bench.written(*OUTPUTS) + records
        # every other time, most events have to be forwarded
        bench.feed_lines(part, **({"partitioner": "consistent_random"} if number % 2 else {}))
        until(partial(has_written, bench, wanted), bench.lag)
        worker.kill()
        worker = bench.start_ready()
    bench.wait_until_idle()
    assert worker.stop() == 0
    environment = bench.environment(SOP_AUDIT_KEY_FILE=key)
    done = run_sop("archive", where, "--once", env=environment)
    assert done.returncode == 0, done.stderr
    done = run_sop("audit", "replay", where, "--out", certificate, env=environment)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    checked = run_sop("audit", "check-certificate", certificate, "--key", public)
    assert checked.returncode == 0, checked.stderr
    predicate = json.loads(base64.b64decode(json.loads(certificate.read_bytes())["payload"]))["predicate"]
    revisions = revisions_of(bench)
    assert predicate["revisions"] == dict.fromkeys(predicate["revisions"], 0) | {"same": len(revisions)}
    case_id = json.loads(revisions[-1].value or b"")["subject"]
    done = run_sop("audit", "replay", where, "--case", case_id, "--out", certificate, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{case_id}|" in done.stdout
