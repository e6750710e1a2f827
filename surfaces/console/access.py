"""Who is asking, and what they may do (surfaces.md, "Console").

A login is a token of a file, or a name that a trusted reverse proxy sends. On loopback without a proxy, anybody may
read.
"""

from __future__ import annotations

import hmac
import ipaddress
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

import msgspec

from schemas.errors import UsageError
from schemas.files import read_small_file
from streams.config.credentials import LOCAL_PROFILE, is_loopback
from streams.config.settings import Settings

TOKEN_CHARS_MIN: Final = 32
"""A token is compared, never guessed: so long that nobody has to slow down those who try."""


class Right(StrEnum):
    """What somebody may do."""

    READ = "read"
    ACT = "act"
    SEE_PERSONAL = "see_personal"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who asks: the name that acts are recorded under, and what they may do."""

    name: str
    rights: frozenset[Right]

    def may(self, right: str) -> bool:
        """Return whether somebody has a right."""
        return right in self.rights


ANYBODY: Final = Person("", frozenset({Right.READ}))
"""Whoever asks on this machine without a login."""
NOBODY: Final = Person("", frozenset())


class _Token(msgspec.Struct, forbid_unknown_fields=True):
    token: str
    rights: list[Right]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    tokens: dict[str, _Token]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may log in, and how.

    `people` are those with a token, by name, and `digests` the digests of their tokens. `secret` signs sessions; it
    changes with the tokens, so that a token that is taken away ends the sessions of all.
    """

    people: Mapping[str, Person]
    digests: Mapping[str, bytes]
    secret: bytes | None
    proxies: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]
    user_header: str
    actors: frozenset[str]
    personal: frozenset[str]
    is_open: bool
    """Whether anybody may read without a login."""

    @property
    def has_tokens(self) -> bool:
        """Whether anybody can log in with a token."""
        return bool(self.people)

    def with_token(self, token: str) -> Person | None:
        """Return whose token it is, None if it is nobody's."""
        digest = sha256(token.encode()).digest()
        found = [name for name, known in self.digests.items() if hmac.compare_digest(known, digest)]
        return self.people[found[0]] if found else None

    def is_proxy(self, address: str) -> bool:
        """Return whether a connection from an address is one of a trusted proxy's."""
        try:
            host = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(host in network for network in self.proxies)

    def named(self, user: str) -> Person:
        """Return a person whom a trusted proxy has named."""
        rights = {Right.READ}
        if user in self.actors:
            rights.add(Right.ACT)
        if user in self.personal:
            rights.add(Right.SEE_PERSONAL)
        return Person(user, frozenset(rights))


def access_from(settings: Settings) -> Access:
    """Return who may log in by the settings.

    Raises `UsageError` for a file that cannot be used, and if the console would be open to another machine without a
    login, or would take tokens from one without TLS.
    """
    people: dict[str, Person] = {}
    digests: dict[str, bytes] = {}
    secret = None
    if settings.console_tokens_file:
        content, found = _read_tokens(settings.console_tokens_file)
        secret = sha256(b"sessions of the console\n" + content).digest()
        people = {name: Person(name, frozenset({Right.READ, *each.rights})) for name, each in found.items()}
        digests = {name: sha256(each.token.encode()).digest() for name, each in found.items()}
    is_local = is_loopback(listen_address(settings.console_listen)[0]) and _is_local_url(settings.console_url)
    if not is_local:
        _refuse_exposure(settings)
    return Access(
        people=people,
        digests=digests,
        secret=secret,
        proxies=[ipaddress.ip_network(each) for each in settings.console_proxies],
        user_header=settings.console_user_header.lower(),
        actors=frozenset(settings.console_actors),
        personal=frozenset(settings.console_personal),
        is_open=is_local and not settings.console_proxies,
    )


def _read_tokens(path: str) -> tuple[bytes, Mapping[str, _Token]]:
    variable = "SOP_CONSOLE_TOKENS_FILE"
    try:
        content = read_small_file(path)
        found = msgspec.convert(tomllib.loads(content.decode()), _File).tokens
    except ValueError:  # what a parser says may quote a token
        form = "tables [tokens.NAME] with token (text) and rights (a list of act and see_personal)"
        raise UsageError(f"{variable}: {path} cannot be used: it is a TOML file of {form}") from None
    for name, each in found.items():
        if len(each.token) < TOKEN_CHARS_MIN:
            raise UsageError(f"{variable}: the token of {name} is shorter than {TOKEN_CHARS_MIN} characters")
    if len({each.token for each in found.values()}) < len(found):
        raise UsageError(f"{variable}: two people have the same token")
    return content, found


def _refuse_exposure(settings: Settings) -> None:
    """Raise `UsageError` unless what is open to other machines has a login, a name and TLS."""
    where = f"SOP_CONSOLE_LISTEN: {settings.console_listen}"
    if not (settings.console_tokens_file or settings.console_proxies):
        raise UsageError(
            f"{where} is open to other machines, which needs a login: SOP_CONSOLE_TOKENS_FILE or SOP_CONSOLE_PROXIES"
        )
    if not settings.console_url:
        raise UsageError(f"{where} is open to other machines: name the address they use in SOP_CONSOLE_URL")
    if not settings.console_url.startswith("https:") and settings.profile != LOCAL_PROFILE:
        raise UsageError(
            f"SOP_CONSOLE_URL: {settings.console_url} would send logins in clear: put a proxy with TLS before the "
            f"console, or set SOP_PROFILE={LOCAL_PROFILE}"
        )


def listen_address(listen: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def _is_local_url(url: str) -> bool:
    return not url or is_loopback(urlsplit(url).hostname or "")


def host_names(settings: Settings) -> frozenset[str]:
    """Return the names under which the console answers: any other name is somebody's trick with DNS."""
    host, _ = listen_address(settings.console_listen)
    names = {host.lower()}
    if is_loopback(host):
        names |= {"localhost", "127.0.0.1", "::1"}
    if settings.console_url:
        names.add((urlsplit(settings.console_url).hostname or "").lower())
    return frozenset(names)
