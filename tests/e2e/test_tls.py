"""A worker and the commands over a Kafka and a Redis with TLS and authentication."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from streams.embedded_kafka.free_ports import HOST, free_port
from tests.certificates import Certificates
from tests.e2e.conftest import run_sop
from tests.e2e.harness import Bench, feed_of, until
from tests.e2e.stories import Visit
from tests.secure_kafka import SecureKafka

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

USER = "worker"
PLANTED = "planted-hunter2"
WRONG = "planted-wrong"


@pytest.fixture
def secure_kafka(certificates: Certificates, tmp_path: Path) -> Iterator[SecureKafka]:
    with SecureKafka(tmp_path / "kafka", certificates, name=USER, password=PLANTED) as kafka:
        yield kafka


@pytest.fixture
def secure_redis(redis_program: Path, certificates: Certificates, tmp_path: Path) -> Iterator[str]:
    """Yield the address of a Redis with TLS and one user."""
    asked = subprocess.run([redis_program, "--tls-port", "x"], capture_output=True, text=True, check=False)
    if "integer" not in asked.stdout + asked.stderr:
        pytest.skip(f"{redis_program} was built without TLS")
    port = str(free_port())
    users = tmp_path / "users.acl"
    users.write_text(f"user default off\nuser {USER} on >{PLANTED} ~* +@all\n")
    files = ("--tls-cert-file", certificates.cert, "--tls-key-file", certificates.key)
    process = subprocess.Popen(
        [
            redis_program,
            *("--port", "0", "--tls-port", port, "--bind", HOST, "--dir", tmp_path, "--aclfile", users),
            *(*files, "--tls-ca-cert-file", certificates.ca, "--tls-auth-clients", "no"),
        ],
        stdout=subprocess.DEVNULL,
    )
    yield f"rediss://{HOST}:{port}/0"
    process.kill()
    process.wait()


@pytest.fixture
def bench(
    secure_kafka: SecureKafka, secure_redis: str, certificates: Certificates, prefix: str, tmp_path: Path
) -> Iterator[Bench]:
    password = tmp_path / "password"
    password.write_text(PLANTED)
    settings = {
        "SOP_KAFKA_SECURITY": "sasl_ssl",
        "SOP_KAFKA_CA_FILE": str(certificates.ca),
        "SOP_KAFKA_USER": USER,
        "SOP_KAFKA_PASSWORD_FILE": str(password),
        "SOP_REDIS_CA_FILE": str(certificates.ca),
        "SOP_REDIS_USER": USER,
        "SOP_REDIS_PASSWORD": PLANTED,
    }
    made = Bench(secure_kafka.address, prefix, tmp_path, secure_redis, partitions=1, settings=settings)
    yield made
    made.close()


def test_a_case_is_decided_over_tls_and_no_secret_is_shown(bench: Bench, secure_kafka: SecureKafka) -> None:
    client = secure_kafka.user_options
    environment = bench.environment()
    worker = bench.start_ready()
    visit = Visit("job-1", "partner-1")
    fed = bench.feed(map(feed_of, [*visit.booking, *visit.report, *visit.claim]), **client)
    decision = Consumer({**client, "group.id": "reader", "auto.offset.reset": "earliest"})
    decision.subscribe([f"{bench.prefix}decisions.paf"])
    try:
        until(lambda: decision.poll(0.2) is not None, lambda: worker.log)
    finally:
        decision.close()
    results = [
        run_sop("status", env=environment),
        run_sop("case", "job-1", env=environment),
        run_sop("dead-letters", "list", env=environment),
        run_sop("replay", f"kafka://{bench.brokers}/{bench.prefix}", "--out", "-", env=environment),
    ]
    assert [each.returncode for each in results] == [0, 0, 0, 0], [each.stderr for each in results]
    assert f"{fed} events" in results[-1].stderr
    assert worker.stop() == 0
    assert PLANTED not in worker.log + "".join(each.stdout + each.stderr for each in results)


DENIED: list[tuple[dict[str, str], str]] = [
    ({"SOP_KAFKA_PASSWORD": WRONG, "SOP_KAFKA_PASSWORD_FILE": ""}, "or not to this user or certificate"),
    ({"SOP_KAFKA_MECHANISM": "PLAIN"}, "or not to this user or certificate"),
    ({"SOP_KAFKA_CA_FILE": ""}, "or not to this user or certificate"),
    ({"SOP_KAFKA_SECURITY": "plaintext"}, "does not answer"),
    ({"SOP_REDIS_PASSWORD": WRONG}, "SOP_REDIS_URL: Redis denies access"),
    ({"SOP_REDIS_CA_FILE": ""}, "SOP_REDIS_URL: Redis does not answer"),
]


def test_denied_access_is_reported_in_one_line_without_the_secret(bench: Bench) -> None:
    for wrong, reason in DENIED:
        worker = bench.start(**wrong)
        assert worker.process.wait(180) == 2
        assert reason in worker.log
        assert len(worker.log.splitlines()) == 1, worker.log
        assert PLANTED not in worker.log
        assert WRONG not in worker.log
