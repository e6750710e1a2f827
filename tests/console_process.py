"""A real `sop console` over topics of its own in a real Kafka, for tests that need its sockets or a browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined] # re-exported all the same

from agents.sops import catalogue
from streams.embedded_kafka.free_ports import HOST, free_port
from streams.kafka.connection import SILENT_LOGGER
from surfaces.sink.ports import Record
from tests import zygote
from tests.consoles import TOKENS
from tests.e2e.harness import STOP_S, until
from tests.read_models import PARTITIONS

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find_chromium() -> str | None:
    """Return the program of a Chromium, None if there is none."""
    return next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)


class ConsoleTopics:
    """The topics of one console, with a prefix, and what is written to them."""

    def __init__(self, brokers: str, prefix: str) -> None:
        self.brokers, self.prefix = brokers, prefix
        names = [*catalogue.topics(prefix).all, catalogue.topics(prefix).acts]
        admin = AdminClient({"bootstrap.servers": brokers})
        for future in admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names]).values():
            future.result(60)
        self._producer = Producer({"bootstrap.servers": brokers, "linger.ms": 5}, logger=SILENT_LOGGER)

    def write(self, records: Iterable[Record]) -> None:
        """Write records to these topics, to the partitions that they name."""
        for each in records:
            self._producer.produce(
                self.prefix + each.tp.topic,
                each.value,
                each.key,
                each.tp.partition,
                timestamp=each.timestamp,
                headers=list(each.headers),
            )
            self._producer.poll(0)
        assert self._producer.flush(60) == 0


@dataclass
class ConsoleProcess:
    """A console that answers at `url`; `log` is the file of its standard error."""

    url: str
    process: zygote.Process
    log: Path

    def is_ready(self) -> bool:
        """Return whether it has caught up."""
        try:
            with urlopen(f"{self.url}/readyz", timeout=10) as answer:  # noqa: S310 - our own address
                return bool(answer.status == 200)
        except (HTTPError, URLError, ConnectionError, TimeoutError):
            return False


@contextmanager
def console_process(folder: Path, topics: ConsoleTopics, **settings: str) -> Iterator[ConsoleProcess]:
    """Run a console until the end of the block."""
    tokens, port = folder / "tokens.toml", free_port()
    tokens.write_text(TOKENS)
    environment = {
        **os.environ,
        "SOP_BROKERS": topics.brokers,
        "SOP_TOPIC_PREFIX": topics.prefix,
        "SOP_DATA_DIR": str(folder),
        "SOP_CONSOLE_LISTEN": f"{HOST}:{port}",
        "SOP_CONSOLE_TOKENS_FILE": str(tokens),
        **settings,
    }
    log = folder / "console.log"
    with log.open("wb") as errors:
        process = zygote.start(["console"], env=environment, stdout=errors, stderr=errors)
    found = ConsoleProcess(f"http://{HOST}:{port}", process, log)
    try:
        until(lambda: found.is_ready() or process.poll() is not None, log.read_text)
        assert process.poll() is None, log.read_text()
        yield found
    finally:
        process.terminate()
        status = process.wait(STOP_S)
    assert status == 0, log.read_text()
