"""Brokers for tests with faults: with changed properties, behind a proxy, or three as a cluster."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Self

from streams.config.settings import cache_dir
from streams.embedded_kafka.broker import CLUSTER_ID, EmbeddedKafka
from streams.embedded_kafka.free_ports import HOST
from tests.ports import reserved_port


class FaultyKafka(EmbeddedKafka):
    """The embedded broker; `properties` override its own, and it can be killed."""

    def __init__(self, data_dir: Path, properties: Mapping[str, str] | None = None, *, port: int = 0) -> None:
        super().__init__(
            data_dir, cache_dir=cache_dir(), java_home=os.environ.get("JAVA_HOME"), port=port or reserved_port()
        )
        self._controller_port = reserved_port()
        self.properties = dict(properties or {})

    def join_as(self, number: int) -> None:
        """Format the data folder for a node of a cluster; by default a broker formats it for node 1."""
        self.properties["node.id"] = str(number)
        log_dir = self.data_dir / "log"
        log_dir.mkdir(parents=True)
        (log_dir / "meta.properties").write_text(f"version=1\ncluster.id={CLUSTER_ID}\nnode.id={number}\n")

    def kill(self) -> None:
        """Kill the broker; `start` restarts it over the same data."""
        assert self.pid is not None
        os.kill(self.pid, signal.SIGKILL)
        self.stop()

    def end(self) -> None:
        """Kill the broker if it is running: its data is not needed any more, and a clean stop takes seconds."""
        with suppress(ProcessLookupError):
            if self.alive:
                self.kill()
        self.stop()

    def __exit__(self, *_: object) -> None:
        self.end()

    def _write_configuration(self) -> None:
        super()._write_configuration()
        file = self.data_dir / "server.properties"
        lines = dict(line.split("=", 1) for line in file.read_text().splitlines() if line)
        file.write_text("".join(f"{name}={value}\n" for name, value in (lines | self.properties).items()))


class FormattedKafka(FaultyKafka):
    """A broker whose data folder Kafka's own tool has formatted, with all features of its version."""

    def _launch(self, java: Path, jars: Path, lock: BinaryIO) -> None:
        (self.data_dir / "log" / "meta.properties").unlink()
        tool = [str(java), "-cp", f"{jars}/*", "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID]
        command = [*tool, "-c", "server.properties"]
        subprocess.run(command, cwd=self.data_dir, check=True, stdout=subprocess.DEVNULL, timeout=60)
        super()._launch(java, jars, lock)


def proxied(data_dir: Path, proxy_port: int) -> tuple[FaultyKafka, int]:
    """Return a broker with a second listener that it advertises with the proxy's port, and that listener's own port."""
    port, behind, controller = reserved_port(), reserved_port(), reserved_port()
    properties = {
        "listeners": f"PLAINTEXT://{HOST}:{port},PROXIED://{HOST}:{behind},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port},PROXIED://{HOST}:{proxy_port}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
    }
    return FaultyKafka(data_dir, properties, port=port), behind


class Cluster:
    """Three brokers with combined controllers, a replication factor of 3 and 2 in-sync replicas; data in `folder`."""

    def __init__(self, folder: Path) -> None:
        ports = [(reserved_port(), reserved_port()) for _ in range(3)]
        voters = ",".join(f"{number}@{HOST}:{controller}" for number, (_, controller) in enumerate(ports, 1))
        self.nodes: list[FaultyKafka] = []
        for number, (port, controller) in enumerate(ports, 1):
            properties = {
                "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
                "controller.quorum.voters": voters,
                "offsets.topic.replication.factor": "3",
                "transaction.state.log.replication.factor": "3",
                "transaction.state.log.min.isr": "2",
                "min.insync.replicas": "2",
                "broker.session.timeout.ms": "3000",
                "broker.heartbeat.interval.ms": "500",
            }
            node = FaultyKafka(folder / str(number), properties, port=port)
            node.join_as(number)
            self.nodes.append(node)

    @property
    def addresses(self) -> str:
        return ",".join(node.address for node in self.nodes)

    def start(self) -> None:
        """Start all nodes concurrently: none becomes ready before two have started."""
        with ThreadPoolExecutor(len(self.nodes)) as threads:
            for future in [threads.submit(node.start) for node in self.nodes]:
                future.result()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            node.end()
