"""The options that an address of Redis may carry, `redis://HOST:PORT/0?name=value&…`: each known, or refused by name.

The client would take any argument of its own from there, also those that change what the store reads or whom it trusts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any, Final
from urllib.parse import parse_qsl

from redis.asyncio import Redis

from schemas.errors import UsageError


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
    "decode_responses": (_one_of(_FALSE), "false: a worker keeps bytes there"),
    "health_check_interval": (_number, "a whole number of seconds"),
    "protocol": (_one_of({"2": 2, "3": 3}), "2 or 3"),
    "socket_connect_timeout": (_seconds, "a number of seconds above 0"),
    "socket_keepalive": (_one_of(_TRUE | _FALSE), "true or false"),
    "socket_timeout": (_seconds, "a number of seconds above 0"),
    "ssl_cert_reqs": (_one_of({"required": "required"}), "required: whom Redis is, is always checked"),
    "ssl_check_hostname": (_one_of(_TRUE), "true: whom Redis is, is always checked"),
}
_OF_TLS: Final = "ssl_"
_ARGUMENTS: Final = frozenset(signature(Redis).parameters)


def read_options(query: str, *, is_tls: bool) -> dict[str, Any]:
    """Return the client's arguments that the options of an address give.

    Raises `UsageError` for an option that is not known, or whose value cannot be used; it repeats no value, and no name
    that the client does not have either: what was pasted there may be a secret.
    """
    options: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        read, expected = _OPTIONS.get(name, (None, ""))
        if read is None:
            named = f" {name}" if name in _ARGUMENTS else ""
            raise UsageError(f"SOP_REDIS_URL: there is no option{named}; there are {', '.join(_OPTIONS)}")
        try:
            value = read(text)
        except (KeyError, ValueError):
            raise UsageError(f"SOP_REDIS_URL: the option {name} has to be {expected}") from None
        if is_tls or not name.startswith(_OF_TLS):
            options[name] = value
    return options
