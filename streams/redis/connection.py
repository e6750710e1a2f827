"""Connects to Redis as the settings say.

`SOP_REDIS_URL` may carry options, `redis://HOST:PORT/0?name=value&…`. The client would accept any argument of its own
there, also those that change what the store reads or whom it trusts, so every option is known here or refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from schemas.errors import UsageError
from streams.config.credentials import read_secret, refuse_plaintext, tls_context
from streams.config.settings import Settings

_DATABASE: Final = re.compile(r"(?:/[0-9]*)?")


def connect_redis(settings: Settings) -> Redis | None:
    """Return a client with the configured timeouts and no retries of its own; None without a Redis.

    Raises `UsageError` for an address, option, secret or file that cannot be used, and for an unencrypted connection to
    another machine, unless `SOP_PROFILE` is `local`.
    """
    url = read_secret("SOP_REDIS_URL", settings.redis_url, settings.redis_url_file)
    if not url:
        return None
    try:
        address, options = _address_and_options(settings, url)
        timeouts = dict.fromkeys(("socket_timeout", "socket_connect_timeout"), settings.redis_timeout_s)
        return Redis.from_url(address, retry=Retry(NoBackoff(), 0), **(timeouts | options))
    except ValueError:  # its message may hold parts of a password
        raise UsageError("SOP_REDIS_URL: not an address as redis://HOST:PORT/0, rediss://… or unix://…") from None


def _address_and_options(settings: Settings, url: str) -> tuple[str, dict[str, Any]]:
    """Return the address without its query, and the client's arguments; raises ValueError for a malformed address."""
    parts = urlsplit(url)
    is_socket = parts.scheme == "unix"
    if parts.fragment or not (is_socket or _DATABASE.fullmatch(parts.path)):
        raise ValueError
    options = _read_options(parts.query, is_tls=parts.scheme == "rediss")
    if parts.scheme == "rediss":
        ca_file, cert_file, key_file = settings.redis_ca_file, settings.redis_cert_file, settings.redis_key_file
        tls_context("SOP_REDIS", ca_file, cert_file, key_file)  # report bad files now, not at the first command
        options |= {"ssl_ca_certs": ca_file or None, "ssl_certfile": cert_file or None, "ssl_keyfile": key_file or None}
    elif parts.scheme == "redis":
        refuse_plaintext(settings.profile, "SOP_REDIS_URL: redis://", parts.hostname or "localhost")
    if settings.redis_user:
        options["username"] = settings.redis_user
    if password := read_secret("SOP_REDIS_PASSWORD", settings.redis_password, settings.redis_password_file):
        options["password"] = password
    address = parts._replace(query="")
    if "db" in options and not is_socket:  # the client would prefer the path
        address = address._replace(path="")
    return address.geturl(), options


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError
    return number


def _one_of(values: Mapping[str, Any]) -> Callable[[str], Any]:
    return lambda text: values[text.strip().lower()]


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError
    return int(text)


_TRUE: Final = {"true": True, "yes": True, "1": True}
_FALSE: Final = {"false": False, "no": False, "0": False}
_OPTIONS: Final[Mapping[str, tuple[Callable[[str], Any], str]]] = {
    "client_name": (str, "text"),
    "db": (_number, "a whole number"),
    "decode_responses": (_one_of(_FALSE), "false: a worker stores bytes"),
    "health_check_interval": (_number, "a whole number of seconds"),
    "protocol": (_one_of({"2": 2, "3": 3}), "2 or 3"),
    "socket_connect_timeout": (_seconds, "a number of seconds above 0"),
    "socket_keepalive": (_one_of(_TRUE | _FALSE), "true or false"),
    "socket_timeout": (_seconds, "a number of seconds above 0"),
    "ssl_cert_reqs": (_one_of({"required": "required"}), "required: the server is always verified"),
    "ssl_check_hostname": (_one_of(_TRUE), "true: the server is always verified"),
}
_TLS_PREFIX: Final = "ssl_"
_ARGUMENTS: Final = frozenset(signature(Redis).parameters)


def _read_options(query: str, *, is_tls: bool) -> dict[str, Any]:
    """Return the client's arguments from the query of an address.

    Raises `UsageError` for an unknown option or a bad value. The message repeats no value, and no name that the client
    does not have either: whatever was pasted there may be a secret.
    """
    options: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        read, expected = _OPTIONS.get(name, (None, ""))
        if read is None:
            named = f" {name}" if name in _ARGUMENTS else ""
            raise UsageError(f"SOP_REDIS_URL: unknown option{named}; known options: {', '.join(_OPTIONS)}")
        try:
            value = read(text)
        except (KeyError, ValueError):
            raise UsageError(f"SOP_REDIS_URL: the option {name} must be {expected}") from None
        if is_tls or not name.startswith(_TLS_PREFIX):
            options[name] = value
    return options
