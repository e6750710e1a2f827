"""Creates the class archive with which the tests' brokers start: `python -m tests.kafka_archive FILE`.

It contains the classes that Kafka loads at its start. With `-XX:AOTCache=FILE` a start takes half the CPU time; a Java
that cannot use the archive ignores it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from streams.config.settings import cache_dir
from streams.embedded_kafka.broker import EmbeddedKafka
from tests.e2e.harness import until

LAUNCHER_OPTIONS = "JDK_JAVA_OPTIONS"
"""The variable with additional options for `java`."""


def make_archive(file: Path) -> None:
    """Start a broker once, let Java record the loaded classes, and create the archive from the record."""
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        record, archive = Path(folder) / "record", Path(folder) / file.name
        os.environ[LAUNCHER_OPTIONS] = f'-XX:AOTMode=record "-XX:AOTConfiguration={record}"'
        with EmbeddedKafka(
            Path(folder) / "data", cache_dir=cache_dir(), java_home=os.environ.get("JAVA_HOME")
        ) as broker:
            assert broker.pid is not None
            command = psutil.Process(broker.pid).cmdline()
            os.kill(broker.pid, signal.SIGTERM)
            until(lambda: not broker.alive, lambda: "Java is still recording")
        assert record.exists(), "this Java does not support such archives"
        os.environ[LAUNCHER_OPTIONS] = f'-XX:AOTMode=create "-XX:AOTConfiguration={record}" "-XX:AOTCache={archive}"'
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        archive.replace(file)


if __name__ == "__main__":
    make_archive(Path(sys.argv[1]).absolute())
