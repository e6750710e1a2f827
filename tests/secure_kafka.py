"""A real Kafka on this machine with TLS and SASL authentication (SCRAM or PLAIN)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined] # re-exported all the same
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from streams.embedded_kafka.broker import POLL_S
from streams.embedded_kafka.free_ports import HOST
from streams.embedded_kafka.jars import EmbeddedKafkaError
from tests.brokers import FaultyKafka
from tests.certificates import Certificates
from tests.ports import reserved_port

ADMIN = ("admin", "admin-pw")
SCRAM = "SCRAM-SHA-512"
SCRAM_ITERATIONS = 4096

_MODULE = "org.apache.kafka.common.security.{} required"
_JAAS = "listener.name.sasl_ssl.{}.sasl.jaas.config"
_SECURITY = {
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
    "inter.broker.listener.name": "SASL_SSL",
    "sasl.enabled.mechanisms": f"{SCRAM},PLAIN",
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    _JAAS.format("plain"): _MODULE.format("plain.PlainLoginModule")
    + ' username="{0}" password="{1}" user_{0}="{1}";'.format(*ADMIN),
    _JAAS.format(SCRAM.lower()): _MODULE.format("scram.ScramLoginModule") + ";",
    "ssl.keystore.type": "PEM",
    "ssl.truststore.type": "PEM",
}

# Connections to the controller's listener are anonymous.
_RIGHTS = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": f"User:{ADMIN[0]};User:ANONYMOUS",
}


class SecureKafka(FaultyKafka):
    """One broker over `data_dir`, with a user `name`, who has all rights, or none with `rights`.

    `ADMIN`, who uses PLAIN, has all rights.
    """

    def __init__(
        self, data_dir: Path, certificates: Certificates, *, name: str, password: str, rights: bool = False
    ) -> None:
        port, controller = reserved_port(), reserved_port()
        properties = {
            "listeners": f"SASL_SSL://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": f"SASL_SSL://{HOST}:{port}",
            "controller.quorum.voters": f"1@{HOST}:{controller}",
            "ssl.keystore.location": str(certificates.bundle),
            "ssl.truststore.location": str(certificates.ca),
            **_SECURITY,
            **(_RIGHTS if rights else {}),
        }
        super().__init__(data_dir, properties, port=port)
        self._certificates = certificates
        self._user = (name, password)

    @property
    def user_options(self) -> dict[str, str]:
        """The librdkafka options to connect as the user."""
        return self._options(SCRAM, self._user)

    @property
    def admin_options(self) -> dict[str, str]:
        """The librdkafka options to connect as the administrator."""
        return self._options("PLAIN", ADMIN)

    def _options(self, mechanism: str, credentials: tuple[str, str]) -> dict[str, str]:
        return {
            "bootstrap.servers": self.address,
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(self._certificates.ca),
            "sasl.mechanism": mechanism,
            "sasl.username": credentials[0],
            "sasl.password": credentials[1],
            "log_level": "0",
        }

    def _wait_until_ready(self, deadline: float) -> None:
        """Create the user, and wait until it can connect."""
        self._wait_for(self.admin_options, deadline)
        name, password = self._user
        upsertion = UserScramCredentialUpsertion(
            name, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, SCRAM_ITERATIONS), password.encode()
        )
        admin = AdminClient({**self.admin_options})  # must outlive its request
        admin.alter_user_scram_credentials([upsertion])[name].result()
        self._wait_for(self.user_options, deadline)

    def _wait_for(self, options: Mapping[str, str], deadline: float) -> None:
        while not _answers(options):
            if not self.alive or time.monotonic() > deadline:
                raise EmbeddedKafkaError(f"Kafka did not start: {self._last_error()}")
            time.sleep(POLL_S)


def _answers(options: Mapping[str, str]) -> bool:
    """Return whether the broker accepts a client with these options."""
    try:
        return bool(AdminClient({**options}).list_topics(timeout=5).brokers)
    except KafkaException:
        return False
