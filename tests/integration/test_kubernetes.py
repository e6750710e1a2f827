"""The manifests in deploy/kubernetes build, have the members that Kubernetes knows, and agree with the program."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from streams.config.settings import Settings, settings_from
from streams.metrics.server import LIVE_PATH, READY_PATH
from tests.tools import TOP, find_tool, output_of
from tests.zygote import SOP

KUBERNETES = TOP / "deploy/kubernetes"
OVERLAYS = sorted(path.parent.name for path in KUBERNETES.glob("overlays/*/kustomization.yaml"))
VERSION = "1.33"
STRIMZI_SETTINGS = {"SOP_PARTITIONS": "8", "SOP_REPLICAS": "3", "SOP_REDIS_URL_FILE": "/etc/sop/redis/url"}
Document = Mapping[str, Any]


def documents(text: str) -> list[Document]:
    return [each for each in YAML(typ="safe").load_all(io.StringIO(text)) if each]


@cache
def built(overlay: str) -> str:
    """Return what `kubectl apply -k` would send."""
    return output_of(find_tool("kustomize"), "build", KUBERNETES / "overlays" / overlay)


@cache
def crd_schemas() -> Mapping[tuple[str, str], Document]:
    """Return the schemas of custom resources by API version and kind, in which unknown members are errors."""
    found: dict[tuple[str, str], Document] = {}
    for file in (TOP / "tests/kubernetes_crds").glob("*.yaml"):
        (crd,) = documents(file.read_text())
        for version in crd["spec"]["versions"]:
            api_version = f"{crd['spec']['group']}/{version['name']}"
            schema = strict(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = True
            found[api_version, crd["spec"]["names"]["kind"]] = schema
    return found


def strict(schema: Any) -> Any:
    """Return a schema that allows no members but those that it names."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result = {name: strict(value) for name, value in schema.items()}
    is_open = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(schema.get("properties"), dict) and not is_open:
        result["additionalProperties"] = False
    return result


def of_kind(overlay: str, kind: str) -> dict[str, Document]:
    return {each["metadata"]["name"]: each for each in documents(built(overlay)) if each["kind"] == kind}


def pod(deployment: Document) -> Document:
    found: Document = deployment["spec"]["template"]["spec"]
    return found


def settings(overlay: str, deployment: Document) -> Settings:
    """Return the settings of a deployment's container; an unknown or unusable one raises."""
    (container,) = pod(deployment)["containers"]
    maps = of_kind(overlay, "ConfigMap")
    sources = [maps[source["configMapRef"]["name"]]["data"] for source in container["envFrom"]]
    given = {name: value for data in sources for name, value in data.items()}
    return settings_from(given | {each["name"]: each["value"] for each in container.get("env", ())})


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_member_is_known_and_valid(overlay: str) -> None:
    found = documents(built(overlay))
    kinds = {each["kind"] for each in found}
    assert kinds >= {"Deployment", "PodDisruptionBudget", "NetworkPolicy", "ScaledObject", "PersistentVolumeClaim"}
    for each in found:
        schema = crd_schemas().get((each["apiVersion"], each["kind"]))
        if schema is None:
            kubernetes_validate.validate(each, VERSION, strict=True)
        else:
            errors = [error.message for error in Draft202012Validator(schema).iter_errors(each)]
            assert errors == [], each["metadata"]["name"]


def test_a_misspelt_member_is_found() -> None:
    (topic,) = (each for each in documents(built("strimzi")) if each["metadata"]["name"] == "jobs")
    schema = crd_schemas()[topic["apiVersion"], topic["kind"]]
    assert list(Draft202012Validator(schema).iter_errors({**topic, "spec": {**topic["spec"], "partition": 1}}))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_linter_finds_nothing_critical(overlay: str, tmp_path: Path) -> None:
    file = tmp_path / "built.yaml"
    file.write_text(built(overlay))
    output_of(find_tool("kube-score"), "score", file)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_settings_can_be_used_and_the_probes_lead_to_the_metrics_server(overlay: str) -> None:
    deployments = of_kind(overlay, "Deployment")
    assert set(deployments) == {"worker", "console", "alert-forwarder", "archive"}
    for deployment in deployments.values():
        given = settings(overlay, deployment)
        assert (given.kafka_security, given.log_format) == ("sasl_ssl", "json")
        (container,) = pod(deployment)["containers"]
        (port,) = container["ports"]
        assert f"0.0.0.0:{port['containerPort']}" in (given.metrics_listen, given.console_listen)
        paths = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
        assert paths == {"startup": LIVE_PATH, "liveness": LIVE_PATH, "readiness": READY_PATH}
        files = [value for value in vars_of(given) if value.startswith("/etc/")]
        mounted = [mount["mountPath"] for mount in container["volumeMounts"]]
        assert all(any(file.startswith(f"{path}/") for path in mounted) for file in files)


def vars_of(given: Settings) -> Iterator[str]:
    """Yield the settings that are text."""
    for name in given.__dataclass_fields__:
        if isinstance(value := getattr(given, name), str):
            yield value


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_have_what_the_restricted_policy_asks_for(overlay: str) -> None:
    for deployment in of_kind(overlay, "Deployment").values():
        spec = pod(deployment)
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert set(container["resources"]["limits"]) == {"cpu", "memory", "ephemeral-storage"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_workers_scale_up_to_the_number_of_partitions(overlay: str) -> None:
    (scaled,) = of_kind(overlay, "ScaledObject").values()
    worker = of_kind(overlay, "Deployment")["worker"]
    given = settings(overlay, worker)
    (trigger,) = scaled["spec"]["triggers"]
    assert scaled["spec"]["maxReplicaCount"] == given.partitions
    assert trigger["metadata"]["consumerGroup"] == given.group
    assert trigger["metadata"]["bootstrapServers"].partition(".")[0].partition(":")[0] in given.brokers
    assert "replicas" not in worker["spec"]
    authentication = of_kind(overlay, "TriggerAuthentication")[trigger["authenticationRef"]["name"]]
    maps = of_kind(overlay, "ConfigMap")
    for each in authentication["spec"]["configMapTargetRef"]:
        assert each["key"] in maps[each["name"]]["data"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_secret_is_in_the_manifests(overlay: str) -> None:
    assert of_kind(overlay, "Secret") == {}
    for deployment in of_kind(overlay, "Deployment").values():
        given = settings(overlay, deployment)
        secrets = (given.kafka_password, given.redis_password, given.redis_url, given.database_url, given.webhooks)
        assert not any(secrets)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_probes_of_the_console_use_the_name_under_which_it_answers(overlay: str) -> None:
    console = of_kind(overlay, "Deployment")["console"]
    (container,) = pod(console)["containers"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        (header,) = container[probe]["httpGet"]["httpHeaders"]
        assert (header["name"], f"https://{header['value']}") == ("Host", settings(overlay, console).console_url)


@pytest.mark.parametrize("what", ["topics", "users"])
def test_topics_and_users_of_strimzi_are_those_of_the_table(what: str) -> None:
    first, _, rest = (KUBERNETES / f"overlays/strimzi/{what}.yaml").read_text().partition("\n")
    assert first.startswith(f"# Made by `sop topics manifests {what}`")
    assert rest == output_of(SOP, "topics", "manifests", what, **STRIMZI_SETTINGS)


def test_a_user_of_strimzi_has_the_name_that_its_program_uses() -> None:
    users = of_kind("strimzi", "KafkaUser")
    for name, deployment in of_kind("strimzi", "Deployment").items():
        assert settings("strimzi", deployment).kafka_user == f"sop-{name}"
        assert f"sop-{name}" in users
