"""Which Redis is fit to keep checkpoints, judged by its INFO."""

from __future__ import annotations

import pytest

from streams.redis.checks import unfit_reason

FIT = {
    "redis_mode": "standalone",
    "cluster_enabled": 0,
    "role": "master",
    "redis_version": "7.0.15",
    "maxmemory_policy": "noeviction",
}


@pytest.mark.parametrize(
    ("differs", "expected"),
    [
        ({}, None),
        ({"redis_mode": "sentinel", "role": "sentinel"}, "this is a Sentinel, which stores no data"),
        ({"redis_mode": "cluster"}, "this is a Redis Cluster, which is not supported"),
        ({"cluster_enabled": 1}, "this is a Redis Cluster, which is not supported"),
        ({"role": "slave"}, "this Redis is a replica"),
        ({"redis_version": "6.2.0"}, None),
        ({"redis_version": "10.0.1"}, None),
        ({"redis_version": "6.0.16"}, "this is Redis 6.0.16; 6.2 or later is required"),
        ({"redis_version": "5.0.3"}, "this is Redis 5.0.3; 6.2 or later is required"),
        ({"redis_version": 6.0}, "this is Redis 6.0; 6.2 or later is required"),
        ({"redis_version": "unstable"}, None),
        ({"maxmemory_policy": "allkeys-lru"}, "Redis may evict keys (maxmemory-policy allkeys-lru)"),
        ({"maxmemory_policy": "allkeys-random"}, "Redis may evict keys (maxmemory-policy allkeys-random)"),
        ({"maxmemory_policy": "volatile-lru"}, None),
    ],
)
def test_an_unfit_redis_is_refused_with_a_reason(differs: dict[str, object], expected: str | None) -> None:
    reason = unfit_reason(FIT | differs)
    assert (reason or "").startswith(expected or "")
    assert (reason is None) == (expected is None)


def test_a_redis_without_info_is_taken_as_fit() -> None:
    assert unfit_reason({}) is None
