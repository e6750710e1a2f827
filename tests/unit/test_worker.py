"""How a worker makes tasks and their settings."""

from __future__ import annotations

import gc

from agents.sops import catalogue
from agents.sops.catalogue import POLICIES
from streams.config.settings import Settings
from streams.kafka.connection import KafkaConnection
from streams.processor.refusal_limit import RefusalLimits
from streams.processor.retention import RetentionRules
from streams.runtime.ports import Layout
from streams.runtime.watchdog import WatchLimits
from streams.worker import TaskMaker, refusal_limits, retention_rules, watch_limits


async def test_a_processor_is_dropped_with_its_task() -> None:
    settings = Settings()
    maker = TaskMaker(
        settings, POLICIES.load_all(()), KafkaConnection(settings.brokers), catalogue.topics(), Layout(4, {}), {}
    )
    tasks = [maker.make(0), maker.make(1)]
    assert set(maker.processors) == {0, 1}
    del tasks[1]
    gc.collect()
    assert set(maker.processors) == {0}


def test_the_defaults_of_the_settings_are_those_of_the_features() -> None:
    settings = Settings()
    assert refusal_limits(settings) == RefusalLimits()
    assert retention_rules(settings) == RetentionRules()
    assert watch_limits(settings) == WatchLimits()
