"""Reads secrets and TLS files that settings name, and refuses unencrypted connections to other machines.

No error repeats a secret, or a path: a user may have put the secret itself where its file name belongs.
"""

import ipaddress
import ssl
from contextlib import suppress

from schemas.errors import UsageError
from schemas.files import read_small_file, read_small_text

LOCAL_PROFILE = "local"


class OneWayCloseSSLObject(ssl.SSLObject):
    """Closes a TLS connection without waiting for the peer's close message.

    An event loop waits half a minute for that message, and a broker with a response in flight does not send it.
    Recovery closes one connection per topic that it has read.
    """

    def unwrap(self) -> None:
        """Send our close message; the socket is closed next."""
        with suppress(ssl.SSLWantReadError):
            super().unwrap()


def refuse_plaintext(profile: str, what: str, host: str) -> None:
    """Raise `UsageError` if `host` is another machine, unless the profile is `local`; `what` begins the message."""
    if profile != LOCAL_PROFILE and not is_loopback(host):
        raise UsageError(f"{what} to another machine ({host}) is for SOP_PROFILE={LOCAL_PROFILE} only")


def is_loopback(host: str) -> bool:
    """Return whether a host, an address or a name, is this machine's loopback."""
    name = host.strip("[]")
    with suppress(ValueError):
        return ipaddress.ip_address(name).is_loopback
    return name == "localhost"


def read_secret(variable: str, value: str, file: str) -> str:
    """Return a secret: the value of the variable, or the content of the file that `<variable>_FILE` names.

    Raises `UsageError` if both are given or the file cannot be read.
    """
    if not file:
        return value
    if value:
        raise UsageError(f"{variable} and {variable}_FILE are both given")
    try:
        return read_small_text(file).strip()
    except ValueError as error:
        raise _unreadable(f"{variable}_FILE", error) from error


def tls_context(prefix: str, ca_file: str, cert_file: str, key_file: str) -> ssl.SSLContext:
    """Return a context that verifies the server against a CA (the system's by default), with an optional client key.

    Raises `UsageError`, naming the setting `<prefix>_…_FILE`, for a file that cannot be used.
    """
    if bool(cert_file) != bool(key_file):
        raise UsageError(f"{prefix}_CERT_FILE and {prefix}_KEY_FILE belong together")
    for name, file in (("CA", ca_file), ("CERT", cert_file), ("KEY", key_file)):
        if file:  # OpenSSL would read an endless file forever
            try:
                read_small_file(file)
            except ValueError as error:
                raise _unreadable(f"{prefix}_{name}_FILE", error) from error
    used = f"{prefix}_CA_FILE: {ca_file}"
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
        context.sslobject_class = OneWayCloseSSLObject
        if cert_file:
            used = f"{prefix}_CERT_FILE, {prefix}_KEY_FILE: {cert_file}, {key_file}"
            context.load_cert_chain(cert_file, key_file)
    except OSError as error:
        raise UsageError(f"{used}: cannot be used: {error.strerror or error}") from error
    return context


def _unreadable(variable: str, error: ValueError) -> UsageError:
    return UsageError(f"{variable}: the file that it names cannot be read: {error}")
