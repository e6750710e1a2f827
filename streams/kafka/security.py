"""How clients of Kafka are protected: encrypted or not, and who they say they are."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any, Literal

import faust

Protocol = Literal["plaintext", "ssl", "sasl_ssl"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSecurity:
    """The protocol, the TLS context that it needs, and for `sasl_ssl` the mechanism, user and password."""

    protocol: Protocol = "plaintext"
    context: ssl.SSLContext | None = None
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

    def credentials(self) -> faust.SASLCredentials | faust.SSLCredentials | None:
        """Return what a Faust app is given."""
        if self.protocol == "sasl_ssl":
            return faust.SASLCredentials(
                username=self.user, password=self.password, mechanism=self.mechanism, ssl_context=self.context
            )
        return None if self.context is None else faust.SSLCredentials(self.context)
