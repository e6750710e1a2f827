"""Which Redis can keep checkpoints, by what it says about itself."""

from __future__ import annotations

import pytest

from streams.redis.checks import unfit

FIT = {
    "redis_mode": "standalone",
    "cluster_enabled": 0,
    "role": "master",
    "redis_version": "7.0.15",
    "maxmemory_policy": "noeviction",
}


@pytest.mark.parametrize(
    ("differs", "told"),
    [
        ({}, None),
        ({"redis_mode": "sentinel", "role": "sentinel"}, "this is a Sentinel, which keeps nothing"),
        ({"redis_mode": "cluster"}, "this is a Redis Cluster, which is not supported"),
        ({"cluster_enabled": 1}, "this is a Redis Cluster, which is not supported"),
        ({"role": "slave"}, "this Redis is a replica"),
        ({"redis_version": "6.2.0"}, None),
        ({"redis_version": "10.0.1"}, None),
        ({"redis_version": "6.0.16"}, "this is Redis 6.0.16; it has to be 6.2 or later"),
        ({"redis_version": "5.0.3"}, "this is Redis 5.0.3; it has to be 6.2 or later"),
        ({"redis_version": 6.0}, "this is Redis 6.0; it has to be 6.2 or later"),
        ({"redis_version": "unstable"}, None),
        ({"maxmemory_policy": "allkeys-lru"}, "Redis may drop keys (maxmemory-policy allkeys-lru)"),
        ({"maxmemory_policy": "allkeys-random"}, "Redis may drop keys (maxmemory-policy allkeys-random)"),
        ({"maxmemory_policy": "volatile-lru"}, None),
    ],
)
def test_what_cannot_keep_checkpoints_is_told(differs: dict[str, object], told: str | None) -> None:
    reason = unfit(FIT | differs)
    assert (reason or "").startswith(told or "")
    assert (reason is None) == (told is None)


def test_a_redis_that_says_nothing_is_taken_as_it_is() -> None:
    assert unfit({}) is None
