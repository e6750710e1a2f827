"""A worker with unusable settings says so in one line and exits with 2."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from streams.embedded_kafka.free_ports import HOST, free_port
from tests.e2e.harness import Bench
from tests.zygote import SOP

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

REFUSED = [
    pytest.param({"SOP_BROKERS": "{nobody}"}, "{nobody}", id="no-broker"),
    pytest.param({"SOP_BROKERS": "no port"}, "no port", id="no-broker-address"),
    pytest.param({"SOP_REDIS_URL": "redis://{nobody}/0"}, "SOP_REDIS_URL: ", id="no-redis"),
    pytest.param({"SOP_REDIS_URL": "http://127.0.0.1"}, "SOP_REDIS_URL: ", id="no-redis-address"),
    pytest.param({"SOP_POLICIES": "{folder}/broken.toml"}, "{folder}/broken.toml: ", id="broken-policy"),
    pytest.param({"SOP_POLICIES": "{folder}/bad.toml"}, "{folder}/bad.toml: presence.radius_m: ", id="bad-policy"),
    pytest.param({"SOP_POLICIES": "{folder}/absent.toml"}, "{folder}/absent.toml: ", id="no-policy"),
    pytest.param({"SOP_COLOUR": "blue"}, "SOP_COLOUR: ", id="unknown-setting"),
    pytest.param({"SOP_PARTITIONS": "0"}, "SOP_PARTITIONS: '0' is not ", id="no-partitions"),
    pytest.param({"SOP_CHECKPOINT_INTERVAL_S": "nan"}, "SOP_CHECKPOINT_INTERVAL_S: 'nan' is not ", id="not-a-number"),
    pytest.param({"SOP_TOPIC_PREFIX": "a/b"}, "cannot create a/bjobs: ", id="prefix-of-no-topic"),
    pytest.param({"SOP_GROUP": " "}, "SOP_GROUP: ' ' is not text", id="no-group"),
    pytest.param({"SOP_REPLICAS": "3"}, "jobs: ", id="more-replicas-than-brokers"),
    pytest.param({"SOP_SESSION_TIMEOUT_S": "3600"}, "SOP_SESSION_TIMEOUT_S: ", id="session-too-long"),
]


@pytest.fixture
def nobody() -> str:
    """Return an address without a listener."""
    return f"{HOST}:{free_port()}"


def refusal(bench: Bench, **settings: str) -> str:
    """Start a worker that refuses its settings; return its one line of output."""
    result = subprocess.run(
        [SOP, "worker"], env=bench.environment(**settings), capture_output=True, text=True, timeout=180, check=False
    )
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize(("settings", "expected"), REFUSED)
def test_an_unusable_setting_is_refused(
    bench: Bench, nobody: str, tmp_path: Path, settings: dict[str, str], expected: str
) -> None:
    (tmp_path / "broken.toml").write_text("label = \n")
    (tmp_path / "bad.toml").write_text(
        'label = "x"\neffective_from = 2026-01-01T00:00:00Z\n[presence]\nradius_m = -1\n'
    )
    filled = {name: value.format(nobody=nobody, folder=tmp_path) for name, value in settings.items()}
    line = refusal(bench, **filled)
    assert line.startswith("sop: ")
    assert expected.format(nobody=nobody, folder=tmp_path) in line


def test_topics_with_differing_numbers_of_partitions_are_refused(bench: Bench) -> None:
    bench.create("jobs", partitions=2)
    bench.create("tickets", partitions=3)
    assert f"{bench.prefix}jobs has 2" in refusal(bench)
