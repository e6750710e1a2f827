"""How to reach Kafka: the brokers, encryption and credentials, and the options that every client gets."""

from __future__ import annotations

import logging
import re
import ssl
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, cast

from aiokafka.errors import KafkaConnectionError, KafkaError

from schemas.errors import UsageError
from streams.config.credentials import read_secret, refuse_plaintext, tls_context
from streams.config.settings import PORT_MAX, VALUE_BYTES_MAX, Settings, safe_repr

Protocol = Literal["plaintext", "ssl", "sasl_ssl"]

_ADDRESS: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:/,@\[\]]+):([0-9]{1,5})")
SILENT_LOGGER: Final = logging.Logger("librdkafka", logging.CRITICAL + 1)  # noqa: LOG001 - must not be configurable
"""Without a logger librdkafka prints to standard error; whatever matters reaches us as an error as well."""

INPUT_BYTES_MAX: Final = VALUE_BYTES_MAX
"""The largest message that input topics accept."""
MESSAGE_BYTES_MAX: Final = 2 * INPUT_BYTES_MAX


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """The protocol, the TLS context and files, and for `sasl_ssl` the mechanism, user and password.

    The files (PEM; an empty CA means the system's) are those that the context was made from. librdkafka needs them
    because it brings its own TLS.
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
        """Return the security options of an aiokafka client."""
        options: dict[str, Any] = {"security_protocol": self.protocol.upper(), "ssl_context": self.context}
        if self.protocol == "sasl_ssl":
            options["sasl_mechanism"] = self.mechanism
            options["sasl_plain_username"] = self.user
            options["sasl_plain_password"] = self.password
        return options

    def librdkafka_options(self) -> dict[str, str]:
        """Return the security options of a librdkafka client."""
        options = {"security.protocol": self.protocol.upper()}
        if self.context is not None:
            system = ssl.get_default_verify_paths()  # librdkafka would look where it was built
            options["ssl.ca.location"] = self.ca_file or system.cafile or system.capath or ""
            options["ssl.certificate.location"] = self.cert_file
            options["ssl.key.location"] = self.key_file
        if self.protocol == "sasl_ssl":
            options["sasl.mechanism"] = self.mechanism
            options["sasl.username"] = self.user
            options["sasl.password"] = self.password
        return {name: value for name, value in options.items() if value}


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Brokers as `host:port,host:port`, and how to secure the connection.

    `message_bytes_max` is the largest message that may be written, twice the largest that input topics accept.

    Raises `UsageError` for malformed brokers.
    """

    brokers: str
    security: KafkaSecurity = field(default_factory=KafkaSecurity)
    message_bytes_max: int = MESSAGE_BYTES_MAX

    def __post_init__(self) -> None:
        for address in self.brokers.split(","):
            matched = _ADDRESS.fullmatch(address)
            if matched is None or int(matched[1]) > PORT_MAX:
                given = safe_repr(self.brokers)
                raise UsageError(f"brokers: {given} is not HOST:PORT[,HOST:PORT…] (SOP_BROKERS, --brokers, kafka://…)")

    def client_options(self) -> dict[str, Any]:
        """Return the options of every aiokafka client."""
        return {
            "bootstrap_servers": self.brokers,
            "client_id": "sop-streams",
            "request_timeout_ms": 15_000,
            **self.security.client_options(),
        }

    def librdkafka_options(self) -> dict[str, Any]:
        """Return the options of every librdkafka client."""
        return {
            "bootstrap.servers": self.brokers,
            "client.id": "sop-streams",
            "log_level": 0,
            **self.security.librdkafka_options(),
        }

    def describe_error(self, error: KafkaError) -> str:
        """Return an aiokafka error as one line for the user: unreachable brokers have no useful words of their own."""
        if isinstance(error, KafkaConnectionError):
            refusal = "" if self.security.protocol == "plaintext" else ", or not to this user or certificate"
            advice = "set SOP_BROKERS to a Kafka that runs, or start one with `sop up`"
            return f"Kafka at {self.brokers} does not answer{refusal}; {advice}"
        return f"Kafka at {self.brokers}: {error}"


def connect_kafka(settings: Settings) -> KafkaConnection:
    """Return the connection that the settings describe.

    Raises `UsageError` for addresses, files or a user that cannot be used, and for an unencrypted connection to another
    machine, unless `SOP_PROFILE` is `local`.
    """
    protocol = cast("Protocol", settings.kafka_security)
    if protocol == "plaintext":
        connection = KafkaConnection(settings.brokers)
        for each in settings.brokers.split(","):
            refuse_plaintext(settings.profile, "SOP_KAFKA_SECURITY: plaintext", each.rpartition(":")[0])
        return connection
    files = settings.kafka_ca_file, settings.kafka_cert_file, settings.kafka_key_file
    security = KafkaSecurity(protocol, tls_context("SOP_KAFKA", *files), *files)
    if protocol == "sasl_ssl":
        user, mechanism = settings.kafka_user, settings.kafka_mechanism
        password = read_secret("SOP_KAFKA_PASSWORD", settings.kafka_password, settings.kafka_password_file)
        if not (user and password):
            needed = "SOP_KAFKA_USER and SOP_KAFKA_PASSWORD or …_PASSWORD_FILE"
            raise UsageError(f"SOP_KAFKA_SECURITY: sasl_ssl needs {needed}")
        security = replace(security, mechanism=mechanism, user=user, password=password)
    return KafkaConnection(settings.brokers, security)
