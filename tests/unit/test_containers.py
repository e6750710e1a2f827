"""The container files follow the schemas and rules of their formats, and open ports on the loopback address only."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from streams.config.settings import settings_from

TOP = Path(__file__).parents[2]
COMPOSE = TOP / "docker-compose.yml"


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_compose_file_is_valid() -> None:
    run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE))


def test_the_dockerfile_has_no_findings() -> None:
    hadolint = shutil.which("hadolint", path=Path(sys.executable).parent)
    assert hadolint is not None
    run(hadolint, "Dockerfile")


@pytest.mark.parametrize("service", ["kafka", "redis"])
def test_ports_are_open_to_this_machine_only(service: str) -> None:
    ports = YAML(typ="safe").load(COMPOSE)["services"][service]["ports"]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_workers_have_valid_settings() -> None:
    settings = settings_from(YAML(typ="safe").load(COMPOSE)["services"]["worker-1"]["environment"])
    assert settings.brokers == "kafka:19092"
    assert settings.redis_url == "redis://redis:6379/0"


def test_two_workers_wait_for_healthy_services() -> None:
    services = YAML(typ="safe").load(COMPOSE)["services"]
    workers = [service for name, service in services.items() if name.startswith("worker-")]
    assert len(workers) == 2
    for worker in workers:
        assert {each["condition"] for each in worker["depends_on"].values()} == {"service_healthy"}
    assert all("healthcheck" in services[name] for name in workers[0]["depends_on"])
