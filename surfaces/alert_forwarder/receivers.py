"""The receivers that settings and options name: Alertmanagers and webhooks, with their secrets."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from schemas.codec.canonical_json import digest32
from schemas.errors import UsageError
from schemas.files import read_small_text
from streams.config.credentials import read_secret, refuse_plaintext
from streams.config.settings import Settings

MARK: Final = "whsec_"
"""What a secret begins with."""
SECRET_BYTES_MIN, SECRET_BYTES_MAX = 24, 64  # Standard Webhooks 1.0


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where to send alerts: an Alertmanager, or a webhook, which has secrets to sign with.

    `name` is for people; `key` identifies the receiver in the store. The address may hold a password or a token.
    """

    name: str
    url: str = field(repr=False)
    secrets: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def key(self) -> str:
        """Its name in the store, which tells nothing of its address."""
        return digest32(self.url.encode())

    @property
    def is_webhook(self) -> bool:
        """Whether it is a webhook."""
        return bool(self.secrets)


def receivers_from(
    settings: Settings, alertmanagers: Sequence[str] = (), webhooks: Sequence[tuple[str, str]] = ()
) -> list[Receiver]:
    """Return the receivers that are given, those of the settings for a kind of which none is.

    A webhook is its address and the file of its secrets, one a line. Raises `UsageError` if an address or a file cannot
    be used, or there is no receiver at all. No message contains an address, a path or a secret.
    """
    if not alertmanagers:
        text = read_secret("SOP_ALERTMANAGERS", settings.alertmanagers, settings.alertmanagers_file)
        alertmanagers = text.replace(",", " ").split()
    if not webhooks:
        text = read_secret("SOP_WEBHOOKS", settings.webhooks, settings.webhooks_file)
        webhooks = [_pair(entry) for entry in text.replace("\n", ",").split(",") if entry.strip()]
    receivers = [Receiver(*_address(url, f"Alertmanager {at}", settings)) for at, url in enumerate(alertmanagers, 1)]
    for at, (url, file) in enumerate(webhooks, 1):
        receivers.append(Receiver(*_address(url, f"webhook {at}", settings), _secrets(file, f"webhook {at}")))
    if not receivers:
        raise UsageError("name a receiver: --alertmanager URL or --webhook URL FILE (SOP_ALERTMANAGERS, SOP_WEBHOOKS)")
    if len({each.key for each in receivers}) < len(receivers):
        raise UsageError("two receivers have the same address")
    return receivers


def _pair(entry: str) -> tuple[str, str]:
    words = entry.split()
    if len(words) != 2:
        raise UsageError("SOP_WEBHOOKS: each webhook is an address, a space, and the file of its secrets")
    return words[0], words[1]


def _address(url: str, what: str, settings: Settings) -> tuple[str, str]:
    """Return a receiver's name, with no more of its address than scheme and host, and the address."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _not_http(what) from None
    if not host or parts.scheme not in {"http", "https"}:
        raise _not_http(what)
    if parts.scheme == "http":
        refuse_plaintext(settings.profile, f"{what}: http", host)
    shown = f"[{host}]" if ":" in host else host
    return f"{what} at {parts.scheme}://{shown}{'' if port is None else f':{port}'}", url


def _not_http(what: str) -> UsageError:
    return UsageError(f"{what}: its address is not http://HOST… or https://HOST…")


def _secrets(file: str, what: str) -> tuple[bytes, ...]:
    try:
        lines = read_small_text(file).split()
    except ValueError as error:
        raise UsageError(f"{what}: the file of its secrets cannot be read: {error}") from error
    if not lines:
        raise UsageError(f"{what}: the file of its secrets is empty")
    return tuple(_secret(line, at, what) for at, line in enumerate(lines, 1))


def _secret(text: str, line: int, what: str) -> bytes:
    try:
        secret = base64.b64decode(text.removeprefix(MARK), validate=True)
    except binascii.Error:
        secret = b""
    if not text.startswith(MARK) or not SECRET_BYTES_MIN <= len(secret) <= SECRET_BYTES_MAX:
        size = f"{SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes"
        raise UsageError(f"{what}: secret {line} in its file is not {MARK} and the Base64 of {size}")
    return secret
