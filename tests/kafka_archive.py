"""Makes the archive from which the tests' brokers start: `python -m tests.kafka_archive FILE`.

It holds the classes that Kafka loads when it starts, as Java has them in memory. A start with `-XX:AOTCache=FILE` takes
half the CPU; a Java that cannot use the archive goes without it.
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
"""The variable from which `java` takes options beside those of the command."""


def make_archive(file: Path) -> None:
    """Start a broker once, have Java write down what it loaded, and make the archive of that."""
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        record, made = Path(folder) / "record", Path(folder) / file.name
        os.environ[LAUNCHER_OPTIONS] = f'-XX:AOTMode=record "-XX:AOTConfiguration={record}"'
        with EmbeddedKafka(
            Path(folder) / "data", cache_dir=cache_dir(), java_home=os.environ.get("JAVA_HOME")
        ) as broker:
            assert broker.pid is not None
            command = psutil.Process(broker.pid).cmdline()
            os.kill(broker.pid, signal.SIGTERM)
            until(lambda: not broker.alive, lambda: "Java still writes down what it loaded")
        assert record.exists(), "this Java makes no such archives"
        os.environ[LAUNCHER_OPTIONS] = f'-XX:AOTMode=create "-XX:AOTConfiguration={record}" "-XX:AOTCache={made}"'
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        made.replace(file)


if __name__ == "__main__":
    make_archive(Path(sys.argv[1]).absolute())
