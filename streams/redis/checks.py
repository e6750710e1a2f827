"""What a worker asks of Redis before it starts, and of its eviction now and then."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as NoConnectionError
from redis.exceptions import TimeoutError as NoAnswerError

from schemas.errors import UsageError

ASK_EVERY_S: Final = 0.5
VERSION_MIN: Final = (6, 2)
"""The first with ZRANGE by score."""


async def check_redis(redis: Redis, wait_s: float) -> None:
    """Return when Redis answers and can be used; one that is not up yet is waited for.

    Raises `UsageError` when it does not answer within `wait_s` seconds, lets us in with nothing, may drop keys, or is
    no single server that takes writes and has the commands that are needed.
    """
    try:
        await _answer(redis, wait_s)
        with suppress(NoPermissionError):
            if reason := unfit(await redis.info()):
                raise UsageError(f"SOP_REDIS_URL: {reason}")
    except (AuthenticationError, AuthorizationError) as error:
        raise UsageError(
            f"SOP_REDIS_URL: Redis does not let this user in: {error} (SOP_REDIS_USER, SOP_REDIS_PASSWORD)"
        ) from error
    except ResponseError as error:
        raise UsageError(f"SOP_REDIS_URL: Redis refuses: {error}") from error
    except RedisError as error:
        raise UsageError(f"SOP_REDIS_URL: Redis does not answer: {error}") from error
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"SOP_REDIS_URL: what answers there is no Redis: {type(error).__name__}") from error


async def _answer(redis: Redis, wait_s: float) -> None:
    clock = asyncio.get_running_loop().time
    until = clock() + wait_s
    while True:
        try:
            await redis.ping()
        except (NoConnectionError, NoAnswerError) as error:
            if clock() > until or _will_not_pass(error):
                raise
            await asyncio.sleep(ASK_EVERY_S)
        else:
            return


def _will_not_pass(error: RedisError) -> bool:
    """Tell whether it is us that Redis will not have."""
    is_refusal = isinstance(error, AuthenticationError | AuthorizationError)
    return is_refusal or isinstance(error.__cause__ or error.__context__, ssl.SSLError)


def unfit(info: Mapping[str, Any]) -> str | None:
    """Return why no checkpoints can be kept in a Redis, given what it says about itself; None: they can."""
    mode = info.get("redis_mode", "standalone")
    if mode == "sentinel":
        return "this is a Sentinel, which keeps nothing; the address has to be that of the Redis server that it watches"
    if mode == "cluster" or info.get("cluster_enabled") == 1:
        return "this is a Redis Cluster, which is not supported; it has to be a single server, which may have replicas"
    if info.get("role") == "slave":
        return "this Redis is a replica; the address has to be that of its primary"
    version = _number(info.get("redis_version", ""))
    if version is not None and version < VERSION_MIN:
        needed = ".".join(map(str, VERSION_MIN))
        return f"this is Redis {info['redis_version']}; it has to be {needed} or later"
    return eviction(info)


def eviction(info: Mapping[str, Any]) -> str | None:
    """Return why a Redis may drop single keys to make room; what is left would be no earlier moment as a whole."""
    policy = info.get("maxmemory_policy", "")
    if policy.startswith("allkeys"):
        return f"Redis may drop keys (maxmemory-policy {policy}); it has to be noeviction"
    return None


def _number(version: object) -> tuple[int, ...] | None:
    """Return the first two numbers of a version; None where it has none."""
    found = re.match(r"([0-9]+)\.([0-9]+)", str(version))
    return (int(found[1]), int(found[2])) if found else None
