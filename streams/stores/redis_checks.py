"""What a worker asks of Redis before it starts."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, AuthorizationError, NoPermissionError, RedisError
from redis.exceptions import ConnectionError as NoConnectionError
from redis.exceptions import TimeoutError as NoAnswerError

from schemas.errors import UsageError

ASK_EVERY_S: Final = 0.5


async def check_redis(redis: Redis, wait_s: float) -> None:
    """Return when Redis answers and can be used; one that is not up yet is waited for.

    Raises `UsageError` when it does not answer within `wait_s` seconds, lets us in with nothing, or may drop keys.
    """
    try:
        await _answer(redis, wait_s)
        await _refuse_eviction(redis)
    except RedisError as error:
        raise UsageError(f"SOP_REDIS_URL: Redis does not answer: {error}") from error


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


async def _refuse_eviction(redis: Redis) -> None:
    """Refuse a Redis that drops single keys to make room: what is left would be no earlier moment as a whole."""
    with suppress(NoPermissionError):
        policy = (await redis.info("memory")).get("maxmemory_policy", "")
        if policy.startswith("allkeys"):
            raise UsageError(f"SOP_REDIS_URL: Redis may drop keys (maxmemory-policy {policy}); it has to be noeviction")
