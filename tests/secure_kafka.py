"""A real Kafka on this machine that speaks TLS only and asks who comes (SCRAM or PLAIN)."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.embedded.jars import ensure_jars, user_cache_dir
from streams.embedded.kafka import CLUSTER_ID, find_java
from tests.certificates import Certificates

HOST = "127.0.0.1"
START_TIMEOUT_S = 120.0
ADMIN = ("admin", "admin-pw")
POLL_S = 0.05

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=SASL_SSL://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=SASL_SSL://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL
inter.broker.listener.name=SASL_SSL
sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
username="admin" password="admin-pw" user_admin="admin-pw";
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={bundle}
ssl.truststore.type=PEM
ssl.truststore.location={ca}
log.dirs=log
num.partitions=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=2097152
num.io.threads=2
num.network.threads=1
background.threads=2
"""

# The controller's listener knows nobody by name.
_RIGHTS = """\
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:admin;User:ANONYMOUS
"""


class SecureKafka:
    """One broker over `data_dir`; the user `name` may do everything, unless `rights` are asked for: then nothing.

    `ADMIN`, by PLAIN, may always do everything.
    """

    def __init__(
        self, data_dir: Path, certificates: Certificates, *, name: str, password: str, rights: bool = False
    ) -> None:
        self._data_dir = data_dir
        self._more = _RIGHTS if rights else ""
        self._certificates = certificates
        self._scram = f"SCRAM-SHA-512=[name={name},password={password}]"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()

    @property
    def address(self) -> str:
        """`host:port` for clients."""
        return f"{HOST}:{self.port}"

    def start(self) -> None:
        """Start the broker and return when its port is open."""
        (self._data_dir / "server.properties").write_text(
            _PROPERTIES.format(
                host=HOST,
                port=self.port,
                controller_port=_free_port(),
                bundle=self._certificates.bundle,
                ca=self._certificates.ca,
            )
            + self._more
        )
        java = find_java(os.environ.get("JAVA_HOME"))
        jars = ensure_jars(user_cache_dir(os.environ), None)
        launch = [str(java), "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{jars}/*"]
        formatting = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", "server.properties"]
        with (self._data_dir / "broker.log").open("wb") as log:
            subprocess.run(
                [*launch, *formatting, "--add-scram", self._scram],
                cwd=self._data_dir,
                stdout=log,
                stderr=log,
                check=True,
                timeout=START_TIMEOUT_S,
            )
            self._process = subprocess.Popen(
                [*launch, "kafka.Kafka", "server.properties"],
                cwd=self._data_dir,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _is_open(self.port):
            assert self._process.poll() is None, f"Kafka ended, see {self._data_dir}/broker.log"
            assert time.monotonic() < deadline, f"Kafka does not start, see {self._data_dir}/broker.log"
            time.sleep(POLL_S)

    def stop(self) -> None:
        """End the broker."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(START_TIMEOUT_S)


def answers(options: Mapping[str, str]) -> bool:
    """Tell whether the broker lets in a client with some options by now."""
    try:
        return bool(AdminClient({**options, "log_level": 0}).list_topics(timeout=5).brokers)
    except KafkaException:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
