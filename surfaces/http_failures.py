"""Says in a few words why there is no answer over HTTP."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from schemas.errors import Unavailable


@contextmanager
def http_failures(timeout_s: float) -> Iterator[None]:
    """Raise `Unavailable` if there is no answer, with a reason that does not contain the address.

    `timeout_s` is how long the client waits for one.
    """
    try:
        yield
    except TimeoutError:
        raise Unavailable(f"no answer within {timeout_s:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: a host that no look-up takes
        raise Unavailable(f"no answer ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    """Return why there is no answer; the text of other errors may contain the address."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return str(error.certificate_error)
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno or 0  # asyncio puts the address into the text; look-ups have negative numbers
        return os.strerror(number) if number > 0 else error.os_error.strerror or str(error.os_error)
    return type(error).__name__
