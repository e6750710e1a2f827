"""Plain Faust: an agent per input topic calls the product's rules, one event at a time, with state in memory."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from typing import Any

import mode.loop

mode.loop.use("uvloop")

import faust  # noqa: E402 - after choosing the loop

from agents.sops import catalogue  # noqa: E402
from bench.light import PARTITIONS  # noqa: E402
from bench.rules import Rules  # noqa: E402
from bench.run_spec import Meter, read_spec  # noqa: E402
from schemas.codec.encoder import encode_message  # noqa: E402


def main() -> None:
    """Run a Faust worker until the last event."""
    spec = read_spec()
    topics = catalogue.topics(spec.events)
    rules = Rules(topics)
    meter = Meter(spec.count)
    for name in ("faust", "aiokafka", "mode"):
        logging.getLogger(name).setLevel(logging.WARNING)
    app = faust.App(
        spec.group,
        broker=f"kafka://{spec.brokers}",
        store="memory://",
        datadir=tempfile.mkdtemp(prefix="bench-faust-"),
        topic_partitions=PARTITIONS,
        topic_replication_factor=1,
        topic_disable_leader=True,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=6.0,
        broker_heartbeat_interval=2.0,
        producer_linger=spec.linger_ms / 1000,
    )
    raw: dict[str, Any] = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    outputs = {name: app.topic(name, **raw) for name in topics.outputs}

    async def decide(stream: Any) -> None:
        async for value in stream:
            rules.receive(value, int(stream.current_event.message.timestamp * 1000))
            made = 0
            for topic, key, message in rules.evaluate(time.time_ns() // 1000):
                await outputs[topic].send(key=key.encode(), value=encode_message(message))
                made += 1
            if meter.add(1, made):
                await app.producer.flush()
                meter.report()
                os._exit(0)

    for name in topics.inputs:
        app.agent(app.topic(name, **raw), name=name)(decide)
    sys.argv = [sys.argv[0], "worker", "--without-web", "--loglevel", "error"]
    app.main()


if __name__ == "__main__":
    main()
