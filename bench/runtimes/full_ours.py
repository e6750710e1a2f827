"""The product's worker, with a processor that counts events."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence

from agents.sops import catalogue
from agents.sops.catalogue import POLICIES
from bench.run_spec import Meter, read_spec
from streams import worker
from streams.config.settings import settings_from
from streams.faust_transport.app import BatchApp
from streams.faust_transport.runner import run_worker
from streams.kafka.connection import connect_kafka
from streams.kafka.topic_setup import TopicTargets
from streams.kafka.topics import prepare_topics, read_layout
from streams.operations.published_policies import policy_topic
from streams.processor.processor import SopProcessor
from streams.runtime.ports import Batches, Outgoing


def main() -> None:
    """Run the worker until all events are processed and nothing more is published."""
    spec = read_spec()
    topics = catalogue.topics(spec.events)
    meter = Meter(spec.count)
    inputs, output_topics = set(topics.inputs), {*topics.outputs} - {topics.dead_letters}
    settings = settings_from(
        {
            "SOP_BROKERS": spec.brokers,
            "SOP_TOPIC_PREFIX": spec.events,
            "SOP_GROUP": spec.group,
            **({"SOP_REDIS_URL": spec.redis_url} if spec.redis_url else {}),
        }
    )
    evaluated = {"idle": 0}

    class CountingProcessor(SopProcessor):
        async def process(self, batches: Batches, now: int) -> None:
            await super().process(batches, now)
            meter.add(sum(len(records) for tp, records in batches if tp.topic in inputs))

        async def evaluate(self, now: int, positions: Mapping[str, int], names: Sequence[str]) -> list[Outgoing]:
            outgoing = await super().evaluate(now, positions, names)
            meter.decisions += sum(each.topic in output_topics for each in outgoing)
            evaluated["idle"] = 0 if outgoing or not meter.done else evaluated["idle"] + 1
            return outgoing

    # measure the worker as composed, not a copy of it
    vars(worker)["SopProcessor"] = CountingProcessor
    connection = connect_kafka(settings)
    asyncio.run(prepare_topics(connection, topics, TopicTargets(partitions=settings.partitions)))
    layout = asyncio.run(read_layout(connection, topics.all))
    policies = policy_topic(settings, connection, topics, POLICIES.load_all(()))

    def make_app() -> BatchApp:
        app = worker.make_app(settings, policies, connection, topics, layout, {})

        async def end() -> None:
            if evaluated["idle"] > 10 * layout.partitions:  # each partition evaluates ten times a second
                meter.report()
                os.kill(os.getpid(), signal.SIGTERM)

        app.timer(0.2)(end)
        return app

    run_worker(make_app)


if __name__ == "__main__":
    main()
