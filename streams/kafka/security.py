"""How clients of Kafka are protected: encrypted or not, and who they say they are."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any, Literal

import faust

Protocol = Literal["plaintext", "ssl", "sasl_ssl"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSecurity:
    """The protocol, what TLS needs, and for `sasl_ssl` the mechanism, user and password.

    TLS is given twice: as a context, and as the files (PEM; no CA: the system's) that it was made from, since
    librdkafka has a TLS of its own.
    """

    protocol: Protocol = "plaintext"
    context: ssl.SSLContext | None = None
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    mechanism: str = "SCRAM-SHA-512"
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def client_options(self) -> dict[str, Any]:
        """Return what every aiokafka client is given."""
        options: dict[str, Any] = {"security_protocol": self.protocol.upper(), "ssl_context": self.context}
        if self.protocol == "sasl_ssl":
            options["sasl_mechanism"] = self.mechanism
            options["sasl_plain_username"] = self.user
            options["sasl_plain_password"] = self.password
        return options

    def librdkafka_options(self) -> dict[str, str]:
        """Return what every librdkafka client is given."""
        options = {"security.protocol": self.protocol.upper()}
        if self.context is not None:
            system = ssl.get_default_verify_paths()  # librdkafka would look where its own build does
            options["ssl.ca.location"] = self.ca_file or system.cafile or system.capath or ""
            options["ssl.certificate.location"] = self.cert_file
            options["ssl.key.location"] = self.key_file
        if self.protocol == "sasl_ssl":
            options["sasl.mechanism"] = self.mechanism
            options["sasl.username"] = self.user
            options["sasl.password"] = self.password
        return {name: value for name, value in options.items() if value}

    def credentials(self) -> faust.SASLCredentials | faust.SSLCredentials | None:
        """Return what a Faust app is given."""
        if self.protocol == "sasl_ssl":
            return faust.SASLCredentials(
                username=self.user, password=self.password, mechanism=self.mechanism, ssl_context=self.context
            )
        return None if self.context is None else faust.SSLCredentials(self.context)
