"""Quix Streams: a stateful dataframe over RocksDB with its changelog, at least once."""

from __future__ import annotations

import tempfile
from typing import Any

from quixstreams import Application

from bench.light import step
from bench.run_spec import Meter, read_spec


def main() -> None:
    """Run the dataframe until the last event."""
    spec = read_spec()
    meter = Meter(spec.count)
    app = Application(
        broker_address=spec.brokers,
        consumer_group=spec.group,
        auto_offset_reset="earliest",
        loglevel="ERROR",
        state_dir=tempfile.mkdtemp(prefix="bench-quix-"),
        consumer_extra_config={"session.timeout.ms": 6000, "fetch.wait.max.ms": 50, "fetch.queue.backoff.ms": 5},
        producer_extra_config={"linger.ms": spec.linger_ms},
    )
    events = app.topic(spec.events, key_deserializer="bytes", value_deserializer="bytes")
    decisions = app.topic(spec.decisions, key_serializer="bytes", value_serializer="bytes")

    def decide(value: bytes, state: Any) -> bytes | None:
        job, decision = step(state.get("job"), value)
        state.set("job", job)
        if meter.add(1, decision is not None):
            app.stop()
        return decision

    frame = app.dataframe(events).apply(decide, stateful=True).filter(lambda decision: decision is not None)
    frame.to_topic(decisions)
    app.run()
    meter.report()


if __name__ == "__main__":
    main()
