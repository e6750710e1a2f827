"""Prometheus and Alertmanager take their files, and the alerting rules fire when they should."""

import pytest

from tests.tools import find_tool, output_of


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "deploy/prometheus/prometheus.yml"),
        ("check", "rules", "deploy/prometheus/rules.yaml"),
        ("test", "rules", "deploy/prometheus/rules_test.yaml"),
    ],
    ids=" ".join,
)
def test_prometheus_takes_its_files(arguments: tuple[str, ...]) -> None:
    output_of(find_tool("promtool"), *arguments)


def test_alertmanager_takes_its_file() -> None:
    output_of(find_tool("amtool"), "check-config", "deploy/alertmanager/alertmanager.yml")
