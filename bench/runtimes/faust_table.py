"""Plain Faust: an agent, one event at a time, with state in a Table; on uvloop, without debug logging."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from typing import Any

import mode.loop

mode.loop.use("uvloop")

import faust  # noqa: E402 - after choosing the loop

from bench.light import PARTITIONS, step  # noqa: E402
from bench.run_spec import Meter, read_spec  # noqa: E402


def main() -> None:
    """Run a Faust worker until the last event."""
    spec = read_spec()
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
        producer_max_batch_size=1 << 18,
    )
    raw: dict[str, Any] = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    decisions = app.topic(spec.decisions, **raw)
    table = app.Table("jobs", default=None, partitions=PARTITIONS, key_type=bytes)

    @app.agent(app.topic(spec.events, **raw))
    async def decide(stream: Any) -> None:
        async for value in stream:
            key = stream.current_event.key
            table[key], decision = step(table.get(key), value)
            if decision is not None:
                await decisions.send(key=key, value=decision)
            if meter.add(1, decision is not None):
                await app.producer.flush()
                meter.report()
                os._exit(0)

    sys.argv = [sys.argv[0], "worker", "--without-web", "--loglevel", "error"]
    app.main()


if __name__ == "__main__":
    main()
