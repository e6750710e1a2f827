"""Checks that a Redis is fit to keep checkpoints."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from redis import exceptions
from redis.asyncio import Redis

from schemas.errors import UsageError

POLL_S: Final = 0.5
VERSION_MIN: Final = (6, 2)
"""The first version whose ZRANGE selects by score."""


async def check_redis(redis: Redis, wait_s: float) -> None:
    """Return when Redis answers and is fit; wait for one that is not up yet.

    Raises `UsageError` if it does not answer within `wait_s` seconds, denies access, may evict keys, or is not a single
    writable server of a recent version.
    """
    try:
        await _wait_until_up(redis, wait_s)
        with suppress(exceptions.NoPermissionError):
            if reason := unfit_reason(await redis.info()):
                raise UsageError(f"SOP_REDIS_URL: {reason}")
    except (exceptions.AuthenticationError, exceptions.AuthorizationError) as error:
        advice = "check SOP_REDIS_USER and SOP_REDIS_PASSWORD"
        raise UsageError(f"SOP_REDIS_URL: Redis denies access: {error} ({advice})") from error
    except exceptions.ResponseError as error:
        raise UsageError(f"SOP_REDIS_URL: Redis answers with an error: {error}") from error
    except exceptions.RedisError as error:
        raise UsageError(f"SOP_REDIS_URL: Redis does not answer: {error}") from error
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"SOP_REDIS_URL: the server there is not Redis ({type(error).__name__})") from error


async def _wait_until_up(redis: Redis, wait_s: float) -> None:
    clock = asyncio.get_running_loop().time
    until = clock() + wait_s
    while True:
        try:
            await redis.ping()
        except (exceptions.ConnectionError, exceptions.TimeoutError) as error:
            if clock() > until or _is_denied(error):
                raise
            await asyncio.sleep(POLL_S)
        else:
            return


def _is_denied(error: exceptions.RedisError) -> bool:
    """Return whether Redis refuses this client, so that waiting is of no use."""
    is_refusal = isinstance(error, exceptions.AuthenticationError | exceptions.AuthorizationError)
    return is_refusal or isinstance(error.__cause__ or error.__context__, ssl.SSLError)


def unfit_reason(info: Mapping[str, Any]) -> str | None:
    """Return why a Redis is not fit to keep checkpoints, given its INFO; None if it is fit."""
    mode = info.get("redis_mode", "standalone")
    if mode == "sentinel":
        return "this is a Sentinel, which stores no data; use the address of the Redis server that it monitors"
    if mode == "cluster" or info.get("cluster_enabled") == 1:
        return "this is a Redis Cluster, which is not supported; use a single server, with replicas if you like"
    if info.get("role") == "slave":
        return "this Redis is a replica; use the address of its primary"
    version = _number(info.get("redis_version", ""))
    if version is not None and version < VERSION_MIN:
        needed = ".".join(map(str, VERSION_MIN))
        return f"this is Redis {info['redis_version']}; {needed} or later is required"
    return eviction_reason(info)


def eviction_reason(info: Mapping[str, Any]) -> str | None:
    """Return why a Redis may evict single keys, which would leave a checkpoint incomplete; None if it does not."""
    policy = info.get("maxmemory_policy", "")
    if policy.startswith("allkeys"):
        return f"Redis may evict keys (maxmemory-policy {policy}); set it to noeviction"
    return None


def _number(version: object) -> tuple[int, ...] | None:
    """Return the major and minor version; None if there are none."""
    found = re.match(r"([0-9]+)\.([0-9]+)", str(version))
    return (int(found[1]), int(found[2])) if found else None
