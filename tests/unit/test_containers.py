"""The container files follow the schemas and rules of their formats, and grant nothing that is not needed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from streams.config.settings import settings_from

TOP = Path(__file__).parents[2]
COMPOSE = TOP / "docker-compose.yml"
SERVICES: dict[str, Any] = YAML(typ="safe").load(COMPOSE)["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("sop-streams:")}
ONE_SHOT = {"demo"}
WRITABLE = {"kafka"}
"""Containers that write beside their volumes."""


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_compose_file_is_valid() -> None:
    run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE))


def test_the_dockerfile_has_no_findings() -> None:
    hadolint = shutil.which("hadolint", path=Path(sys.executable).parent)
    assert hadolint is not None
    run(hadolint, "Dockerfile")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is (name not in WRITABLE)
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"} & set(service)
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    sources = [volume.split(":") for volume in service.get("volumes", ())]
    assert all(mode == ["ro"] for source, _, *mode in sources if source.startswith("."))


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_and_checked(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+(\.\d+)?(-[a-z0-9]+)?", service["image"])
    assert ("healthcheck" in service) is (name not in ONE_SHOT)
    for other, condition in service.get("depends_on", {}).items():
        assert condition == {"condition": "service_healthy"}
        assert "healthcheck" in SERVICES[other]


def test_the_images_are_pinned_and_ours_runs_as_nobody_in_particular() -> None:
    text = (TOP / "Dockerfile").read_text()
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"python:3.11.11-slim-bookworm"}
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE) == ["10001:10001"]


def test_the_build_sees_what_it_copies() -> None:
    first, *others = (TOP / ".dockerignore").read_text().split()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (TOP / "Dockerfile").read_text(), re.MULTILINE)
    sources = {source for line in copied for source in line.split()}
    assert first == "*"
    assert {f"!{source}" for source in sources} == {line for line in others if line.startswith("!")}
    assert all((TOP / source).exists() for source in sources)


@pytest.mark.parametrize("name", OURS)
def test_our_services_have_valid_settings(name: str) -> None:
    settings = settings_from({key: str(value) for key, value in OURS[name]["environment"].items()})
    assert settings.profile == "local"
    assert {settings.metrics_listen, settings.console_listen} <= {"", "127.0.0.1:8765", "0.0.0.0:9100", "0.0.0.0:8765"}


def test_two_workers_share_the_partitions() -> None:
    workers = {name: service for name, service in OURS.items() if service["command"] == ["worker"]}
    assert set(workers) == {"worker-1", "worker-2"}
    first, second = workers.values()
    assert first == second
    settings = settings_from(first["environment"])
    assert (settings.brokers, settings.redis_url, settings.partitions) == ("kafka:19092", "redis://redis:6379/0", 8)


def test_every_service_of_ours_is_scraped() -> None:
    jobs = YAML(typ="safe").load(TOP / "deploy/prometheus/prometheus.yml")["scrape_configs"]
    targets = {target for job in jobs for each in job["static_configs"] for target in each["targets"]}
    assert targets == {f"{name}:9100" for name, each in OURS.items() if "SOP_METRICS_LISTEN" in each["environment"]}


def test_grafana_finds_its_dashboard_and_its_data() -> None:
    folder = TOP / "deploy/grafana/provisioning"
    (provider,) = YAML(typ="safe").load(folder / "dashboards/sop-streams.yaml")["providers"]
    mounts = [volume.split(":")[1] for volume in SERVICES["grafana"]["volumes"]]
    assert f"{provider['options']['path']}/sop-streams.json" in mounts
    (source,) = YAML(typ="safe").load(folder / "datasources/prometheus.yaml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert "prometheus" in SERVICES
