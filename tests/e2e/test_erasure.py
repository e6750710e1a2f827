"""After an erasure nothing readable of a person is left, and what was signed is still proven."""

from __future__ import annotations

import base64
import json
import re
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import zstandard

from schemas.errors import Fatal
from streams.config.settings import settings_from
from surfaces.read_model.follower import Follower
from tests.e2e.conftest import run_sop
from tests.e2e.harness import Bench, Feed, until
from tests.e2e.test_personal_data import AT, CASE, PAYEE, events, leaked
from tests.scenario import SITE, destination

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

LOG = "example.com/log"
LINKS = ("media.example", "proof.jpg")
CUSTOMER = "customer-1"


BASE64 = re.compile(rb'"value\\*":\\*"([A-Za-z0-9+/=]{8,})')


def decoded(text: bytes) -> bytes:
    return base64.b64decode(text[: len(text) // 4 * 4])


def planted(content: bytes) -> list[str]:
    """Return what is left of the people in some bytes: as text, in the Base64 of dead letters, or as numbers."""
    content += b"\n".join(map(decoded, BASE64.findall(content)))
    found = leaked(content.decode("latin-1"))
    found += [each for each in (*LINKS, CUSTOMER, PAYEE.split()[0]) if each.encode() in content]
    numbers = (*SITE, *AT, *destination(100.0))
    return found + [
        str(each) for each in numbers if struct.pack(">d", each) in content or struct.pack("<d", each) in content
    ]


def in_redis(url: str, prefix: str) -> Iterator[bytes]:
    """Yield all keys and values of a bench, decompressed."""
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter(f"*{prefix}*"):
            yield key
            match client.type(key):
                case b"hash":
                    parts = [each for pair in client.hgetall(key).items() for each in pair]
                case b"zset":
                    parts = client.zrange(key, 0, -1)
                case b"string":
                    parts = [client.get(key)]
                case b"set":
                    parts = list(client.smembers(key))
                case other:
                    raise AssertionError(other)
            for part in parts:
                yield part
                try:
                    yield zstandard.decompress(part)
                except zstandard.ZstdError:
                    continue


class Kept:
    """A bench with a sealed and signed archive and a read model."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench, self.archive, self.data = bench, folder / "archive", folder / "data"
        master, signer = folder / "master", folder / "signer"
        assert run_sop("audit", "master-key", "--out", master).returncode == 0
        self.vkey = run_sop("audit", "keygen", LOG, "--out", signer).stdout.strip()
        self.plain = bench.environment(SOP_DATA_DIR=self.data)
        self.environment = {
            **self.plain,
            "SOP_AUDIT_KEY_FILE": str(signer),
            "SOP_AUDIT_MASTER_KEY_FILE": str(master),
            "SOP_AUDIT_PERSON_KEYS": str(folder / "people.sqlite"),
        }

    def sop(self, *words: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return run_sop(*words, env=env or self.environment)

    def done(self, *words: str | Path) -> str:
        """Run a command that has to succeed; return what it prints."""
        result = self.sop(*words)
        assert result.returncode == 0, result.stderr
        return result.stdout + result.stderr

    def archived(self) -> bytes:
        """Return all that the archive has, decompressed."""
        rows = self.done("archive", "query", self.archive, "SELECT * EXCLUDE (value) FROM records", "--json")
        others = b"".join(each.read_bytes() for each in self.archive.rglob("*") if each.is_file())
        return rows.encode() + others

    def read_model(self) -> bytes:
        """Bring the read model up to date; return the bytes of its files."""
        failures: list[Fatal] = []
        with Follower(settings_from(self.environment), failures.append) as follower:
            until(lambda: follower.has_caught_up or bool(failures), lambda: failures)
        assert failures == []
        return b"".join(each.read_bytes() for each in self.data.iterdir())


def test_nothing_readable_of_the_erased_is_left_and_proofs_hold(redis_bench: Bench, tmp_path: Path) -> None:
    bench, kept = redis_bench, Kept(redis_bench, tmp_path)
    worker = bench.start_ready()
    *lines, spoilt, of_nobody = events()
    bench.feed_lines(lines)
    bench.feed([Feed("jobs", CASE.encode(), spoilt), Feed("jobs", None, of_nobody)])
    bench.wait_until_idle()
    kept.done("archive", kept.archive, "--once")
    before = kept.done("replay", kept.archive, "--out", tmp_path / "before.jsonl")
    decided = [each for each in (tmp_path / "before.jsonl").read_text().splitlines() if '"type":"decision.' in each]
    assert len(decided) > 2, before
    refused = kept.sop("replay", kept.archive, "--out", "-", env=kept.plain)
    assert refused.returncode == 2
    assert "its records are sealed: set SOP_AUDIT_MASTER_KEY_FILE" in refused.stderr
    subject = json.loads(decided[0])["subject"].encode()
    live = next(each for each in bench.outputs() if each.topic.startswith("decisions.") and subject in each.value)
    decision_id = json.loads(live.value)["id"]
    assert {"Zebulon", CUSTOMER, *LINKS} <= set(planted(kept.read_model()))
    assert "Zebulon" in planted(b"\n".join(each.value for each in bench.read("dead-letters")))
    until(lambda: bool(planted(b"\n".join(in_redis(bench.redis_url, bench.prefix)))), lambda: worker.log)

    late = json.loads(next(each for each in lines if b'"job.booked"' in each))
    late |= {
        "id": "late",
        "subject": "job-late",
        "data_base64": base64.b64encode(json.dumps(late["data"]).encode()).decode(),
    }
    del late["data"]
    bench.feed([Feed("jobs", b"job-late", json.dumps(late).encode())])
    bench.wait_until_idle()

    said = kept.done("erase", f"customer:{CUSTOMER}", "--why", "asked for it")
    assert "tombstone of job-late" in said, "it is not in the archive yet"
    said += kept.done("erase", "partner:partner-1", "--why", "asked for it")
    assert f"tombstone of {CASE}" in said
    assert "0 keys destroyed" not in said
    bench.wait_until_idle()
    assert worker.stop() == 0

    kept.done("archive", kept.archive, "--once")
    assert "erased already" in kept.done("erase", f"customer:{CUSTOMER}", "--why", "asked again")
    assert planted(kept.archived()) == []
    assert planted(b"\n".join(in_redis(bench.redis_url, bench.prefix))) == []
    assert planted(kept.read_model()) == []
    assert planted(worker.log.encode() + (tmp_path / "people.sqlite").read_bytes()) == []
    assert kept.sop("audit", "verify", kept.archive, "--key", kept.vkey, env=kept.plain).returncode == 0
    proof = tmp_path / "proof"
    kept.done("audit", "prove", kept.archive, decision_id, "--key", kept.vkey, "--out", proof)
    assert planted(kept.done("audit", "check-proof", proof, "--key", kept.vkey).encode()) == []
    shown = kept.sop("case", CASE, "--input", kept.archive)
    assert "Traceback" not in shown.stderr
    assert planted((shown.stdout + shown.stderr).encode()) == []
    after = kept.done("replay", kept.archive, "--out", tmp_path / "after.jsonl")
    assert '"reason":"data: erased"' in (tmp_path / "after.jsonl").read_text(), after
    assert planted((tmp_path / "after.jsonl").read_bytes()) == []
