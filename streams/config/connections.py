"""Connections as the settings give them; refuses what would travel unprotected, and tells no secret while doing so."""

from __future__ import annotations

import ipaddress
import re
import ssl
from contextlib import suppress
from typing import Any, Final, cast
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from schemas.errors import UsageError
from schemas.files import read_small_file, read_small_text
from streams.config.settings import Settings
from streams.kafka.connection import KafkaConnection
from streams.kafka.security import KafkaSecurity, Protocol
from streams.redis.url import read_options

LOCAL_PROFILE = "local"
_DATABASE: Final = re.compile(r"(?:/[0-9]*)?")


class SayingGoodbyeOnly(ssl.SSLObject):
    """Ends a TLS connection by saying so, without waiting for the other side to say it too.

    An event loop waits half a minute for that, and a broker with an answer under way does not say it; a recovery closes
    a connection for each topic that it has read.
    """

    def unwrap(self) -> None:
        """Send the end; the connection is closed next."""
        with suppress(ssl.SSLWantReadError):
            super().unwrap()


def connect_kafka(settings: Settings) -> KafkaConnection:
    """Return how to reach the brokers of some settings.

    Raises `UsageError` for addresses, files or a user that cannot be used, and for brokers on other machines that would
    be spoken to without encryption, unless `SOP_PROFILE` is `local`.
    """
    protocol = cast("Protocol", settings.kafka_security)
    if protocol == "plaintext":
        connection = KafkaConnection(settings.brokers)
        others = [each for each in settings.brokers.split(",") if not _is_this_machine(each.rpartition(":")[0])]
        if others:
            _refuse_plaintext(settings, "SOP_KAFKA_SECURITY: plaintext", others[0])
        return connection
    context = _tls("SOP_KAFKA", settings.kafka_ca_file, settings.kafka_cert_file, settings.kafka_key_file)
    files = {
        "ca_file": settings.kafka_ca_file,
        "cert_file": settings.kafka_cert_file,
        "key_file": settings.kafka_key_file,
    }
    if protocol == "ssl":
        return KafkaConnection(settings.brokers, KafkaSecurity(protocol=protocol, context=context, **files))
    password = _secret("SOP_KAFKA_PASSWORD", settings.kafka_password, settings.kafka_password_file)
    if not (settings.kafka_user and password):
        raise UsageError("SOP_KAFKA_SECURITY: sasl_ssl needs SOP_KAFKA_USER and SOP_KAFKA_PASSWORD or …_PASSWORD_FILE")
    security = KafkaSecurity(
        protocol=protocol,
        context=context,
        mechanism=settings.kafka_mechanism,
        user=settings.kafka_user,
        password=password,
        **files,
    )
    return KafkaConnection(settings.brokers, security)


def connect_redis(settings: Settings) -> Redis | None:
    """Return a client that waits no longer than the setting says and does not retry by itself; None without Redis.

    Raises `UsageError` as `connect_kafka` does, and for an option in the address that cannot be used.
    """
    url = _secret("SOP_REDIS_URL", settings.redis_url, settings.redis_url_file)
    if not url:
        return None
    try:
        address, options = _redis_options(settings, url)
        timeouts = dict.fromkeys(("socket_timeout", "socket_connect_timeout"), settings.redis_timeout_s)
        return Redis.from_url(address, retry=Retry(NoBackoff(), 0), **(timeouts | options))
    except ValueError:  # its words may hold parts of a password
        raise UsageError("SOP_REDIS_URL: not an address as redis://HOST:PORT/0, rediss://… or unix://…") from None


def _redis_options(settings: Settings, url: str) -> tuple[str, dict[str, Any]]:
    """Return where Redis is and how it is spoken to; raises ValueError for an address that is none."""
    parts = urlsplit(url)
    is_socket = parts.scheme == "unix"
    if parts.fragment or not (is_socket or _DATABASE.fullmatch(parts.path)):
        raise ValueError
    options = read_options(parts.query, is_tls=parts.scheme == "rediss")
    if parts.scheme == "rediss":
        ca_file, cert_file, key_file = settings.redis_ca_file, settings.redis_cert_file, settings.redis_key_file
        _tls("SOP_REDIS", ca_file, cert_file, key_file)  # what is wrong with them is told here, not by the first call
        options["ssl_ca_certs"] = ca_file or None
        options["ssl_certfile"] = cert_file or None
        options["ssl_keyfile"] = key_file or None
    elif parts.scheme == "redis" and not _is_this_machine(parts.hostname or "localhost"):
        _refuse_plaintext(settings, "SOP_REDIS_URL: redis://", parts.hostname or "")
    if settings.redis_user:
        options["username"] = settings.redis_user
    if password := _secret("SOP_REDIS_PASSWORD", settings.redis_password, settings.redis_password_file):
        options["password"] = password
    address = parts._replace(query="")
    if "db" in options and not is_socket:  # the client would heed the path
        address = address._replace(path="")
    return address.geturl(), options


def _refuse_plaintext(settings: Settings, what: str, host: str) -> None:
    if settings.profile != LOCAL_PROFILE:
        raise UsageError(f"{what} to another machine ({host}) is for SOP_PROFILE={LOCAL_PROFILE} only")


def _is_this_machine(host: str) -> bool:
    name = host.strip("[]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _secret(variable: str, value: str, file: str) -> str:
    """Return a secret, from the environment or the file that it names."""
    if not file:
        return value
    if value:
        raise UsageError(f"{variable} and {variable}_FILE are both given")
    try:
        return read_small_text(file).strip()
    except ValueError as error:
        raise _unreadable(f"{variable}_FILE", error) from error


def _unreadable(variable: str, error: ValueError) -> UsageError:
    """Return the error for a file that cannot be read: unnamed, since somebody may have put the secret itself there."""
    return UsageError(f"{variable}: the file that it names cannot be read: {error}")


def _tls(prefix: str, ca_file: str, cert_file: str, key_file: str) -> ssl.SSLContext:
    """Return a context that checks the server against a CA (default: the system's), with a certificate of our own."""
    if bool(cert_file) != bool(key_file):
        raise UsageError(f"{prefix}_CERT_FILE and {prefix}_KEY_FILE belong together")
    for name, file in (("CA", ca_file), ("CERT", cert_file), ("KEY", key_file)):
        if file:  # OpenSSL opens them itself, and reads what has no end for ever
            try:
                read_small_file(file)
            except ValueError as error:
                raise _unreadable(f"{prefix}_{name}_FILE", error) from error
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
        context.sslobject_class = SayingGoodbyeOnly
    except OSError as error:
        raise UsageError(f"{prefix}_CA_FILE: {ca_file}: cannot be used: {error.strerror or error}") from error
    if cert_file:
        try:
            context.load_cert_chain(cert_file, key_file)
        except OSError as error:
            told = f"{cert_file}, {key_file}: cannot be used: {error.strerror or error}"
            raise UsageError(f"{prefix}_CERT_FILE, {prefix}_KEY_FILE: {told}") from error
    return context
