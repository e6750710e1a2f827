"""Bytewax: a stateful dataflow with one worker and a recovery snapshot to SQLite every second."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import cluster_main

from bench.light import State, step
from bench.run_spec import Meter, read_spec


def main() -> None:
    """Run the dataflow to the end of the topic."""
    spec = read_spec()
    meter = Meter(spec.count)

    def decide(state: State | None, value: bytes) -> tuple[State | None, list[bytes]]:
        state, decision = step(state, value)
        meter.add(1, decision is not None)
        return state, [] if decision is None else [decision]

    flow = Dataflow("light_job")
    fetching = {"fetch.wait.max.ms": "50", "fetch.queue.backoff.ms": "5"}
    source = KafkaSource([spec.brokers], [spec.events], tail=False, batch_size=1000, add_config=fetching)
    events = op.input("events", flow, source)
    keyed = op.map("keyed", events, lambda record: (record.key.decode(), record.value))
    decisions = op.stateful_flat_map("decide", keyed, decide)
    messages = op.map("messages", decisions, lambda pair: KafkaSinkMessage(pair[0].encode(), pair[1]))
    sink = KafkaSink([spec.brokers], spec.decisions, add_config={"linger.ms": str(spec.linger_ms)})
    op.output("decisions", messages, sink)
    recovery = Path(tempfile.mkdtemp(prefix="bench-bytewax-"))
    init_db_dir(recovery, 1)
    every = timedelta(seconds=1)
    cluster_main(flow, [], 0, epoch_interval=every, recovery_config=RecoveryConfig(recovery), worker_count_per_proc=1)
    meter.report()


if __name__ == "__main__":
    main()
