"""Other people's tools take the exported contract: ajv, the AsyncAPI parser, and code generators for four languages.

The messages are those of a simulated day: its events, and the outputs of their replay.
"""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from agents.sops.catalogue import OUTPUTS, POLICIES, topics
from schemas.codec.schema_ids import URN_IDS, SchemaIds
from schemas.events import EVENT_TYPES
from schemas.jsonschema.examples import examples
from schemas.jsonschema.export import export
from streams.config.settings import cache_dir
from streams.embedded_kafka import jars
from tests.schema_tools.mutations import MUTATIONS

HERE = Path(__file__).parent
EXAMPLES = examples(URN_IDS)
MESSAGES_MIN = 10_000
MUTATIONS_MIN = 50
READ_MAX = 4_000
"""How many messages the generated code reads: all outputs, and events of every type."""
JACKSON = ("jackson-annotations", "jackson-core", "jackson-databind")
"""What the code for Java rests on, and the broker has."""
JACKSON_TIME = jars.Jar(
    "com.fasterxml.jackson.datatype",
    "jackson-datatype-jsr310",
    "2.21.2",
    "a083d57cd1c4a28fefcc6bd071740779eb7fc1c22a3c1b40451b5477c443f02f",
    0,
)
"""It also rests on this one, which the broker has not."""
QUICK = "-XX:TieredStopAtLevel=1"
"""Without the optimising compiler of Java, which only delays a program that is short."""

pytestmark = pytest.mark.timeout(300)


def tool(name: str) -> str:
    """Return the path of a program; without it skip the test, or fail it in CI."""
    program = shutil.which(name)
    if program is None:
        missing(f"no {name} on the PATH")
    return str(program)


def missing(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def node() -> str:
    """Return the path of Node with the packages of this folder."""
    program = tool("node")
    if not (HERE / "node_modules").is_dir():
        missing("the packages of tests/schema_tools are not installed")
    return program


def ran(*command: str | Path, cwd: Path | None = None, stdin: bytes = b"") -> str:
    done = subprocess.run([*map(str, command)], input=stdin, capture_output=True, check=False, timeout=200, cwd=cwd)
    assert done.returncode == 0, (done.stderr + done.stdout).decode()[-4000:]
    return done.stdout.decode()


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an export."""
    folder = tmp_path_factory.mktemp("contract")
    export(folder, OUTPUTS, POLICIES, SchemaIds())
    return folder


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Return the messages of a simulated day, location reports last, and examples of those that no day has."""
    folder = tmp_path_factory.mktemp("day")
    sop = Path(sys.executable).with_name("sop")
    ran(sop, "simulate", "--jobs", "300", "--malformed", "0.0005", "--out", folder / "events.jsonl")
    ran(sop, "replay", folder / "events.jsonl", "--out", folder / "outputs.jsonl", "--jobs", "1")
    outputs = (folder / "outputs.jsonl").read_bytes().splitlines()
    letters = (json.loads(line)["data"] for line in outputs if b'"type":"dead-letter"' in line)
    refused = {letter["offset"] for letter in letters}
    events = (folder / "events.jsonl").read_bytes().splitlines()
    accepted = [line for number, line in enumerate(events, 1) if number not in refused]
    others = [json.dumps(EXAMPLES[name]).encode() for name in ("act", "case.erased", "partner.erased")]
    return [*others, *outputs, *sorted(accepted, key=lambda line: b'"location.reported"' in line)]


@pytest.fixture(scope="module")
def generated(node: str, contract: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the types that generators make of the export, and a reader for each language."""
    folder = tmp_path_factory.mktemp("generated") / "readers"
    shutil.copytree(HERE / "readers", folder)
    types = json.loads(ran(node, HERE / "generate.mjs", contract, folder, cwd=HERE))
    assert {"RefundDecisionMessage", "RefundDecision", "Money", "Status"} <= set(types)
    assert [name for name in types if re.search(r"\d|Class$|^Anonymous", name)] == []
    return folder


@pytest.fixture(scope="module")
def validated(node: str, contract: Path, day: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what ajv in strict mode says about the schemas, and about three files of messages."""
    folder = tmp_path_factory.mktemp("validated")
    mutated, of_tomorrow = [], []
    for message_type, mutate in MUTATIONS.values():
        message = copy.deepcopy(EXAMPLES[message_type])
        mutate(message)
        mutated.append(json.dumps(message).encode())
    for example in EXAMPLES.values():
        later: Any = copy.deepcopy(example)
        later["attributeoftomorrow"] = later["data"]["field_of_tomorrow"] = {"any": ["thing"]}
        of_tomorrow.append(json.dumps(later).encode())
    files = {"day": day, "mutated": mutated, "of_tomorrow": of_tomorrow}
    for name, lines in files.items():
        (folder / name).write_bytes(b"\n".join(lines))
    report = json.loads(ran(node, HERE / "validate.mjs", contract, *(folder / name for name in files), cwd=HERE))
    return {**report, **dict(zip(files, report["files"], strict=True))}


def test_the_schemas_are_strict_and_accept_their_examples(validated: dict[str, Any]) -> None:
    assert validated["invalid"] == []
    assert validated["schemas"] == 2 * len(EXAMPLES) + 1  # of data, of messages, of a policy
    assert validated["examples"] == 2 * len(EXAMPLES)


def test_the_messages_of_a_day_are_accepted(validated: dict[str, Any], day: list[bytes]) -> None:
    assert validated["day"] == {"lines": len(day), "refused": {}}
    assert len(day) >= MESSAGES_MIN
    assert {json.loads(line)["type"] for line in day} == {*EXAMPLES}


def test_mutated_messages_are_refused(validated: dict[str, Any]) -> None:
    refused = validated["mutated"]["refused"]
    assert [name for number, name in enumerate(MUTATIONS) if str(number) not in refused] == []
    assert len(MUTATIONS) >= MUTATIONS_MIN
    assert {message_type for message_type, _ in MUTATIONS.values()} >= {*EXAMPLES} - {*EVENT_TYPES}


def test_an_optional_field_of_tomorrow_is_accepted(validated: dict[str, Any]) -> None:
    assert validated["of_tomorrow"] == {"lines": len(EXAMPLES), "refused": {}}


def test_the_reference_parser_accepts_the_asyncapi_document_and_no_invalid_one(
    node: str, contract: Path, tmp_path: Path
) -> None:
    document = json.loads((contract / "asyncapi.json").read_bytes())
    operation = {"action": "consume", "channel": {"$ref": "#/channels/jobs"}}
    channel = {"address": "jobs"}
    file = tmp_path / "invalid.json"
    file.write_text(
        json.dumps({**document, "channels": {"jobs": channel}, "operations": {"jobs": operation}, "components": {}})
    )
    valid, invalid = json.loads(ran(node, HERE / "asyncapi.mjs", contract / "asyncapi.json", file, cwd=HERE))
    assert valid["faults"] == []
    public = [name for name in topics().known if not name.startswith("internal.")]
    assert set(valid["channels"]) == {f"{{prefix}}{topic}" for topic in public}
    assert any("action" in fault for fault in invalid["faults"])


def same(value: Any) -> Any:
    """Return a JSON value in a form that is equal for equal content: instants and numbers by value.

    Null counts as absent, since Java writes it for what is absent, and so does an empty list, which Go leaves out.
    """
    if isinstance(value, dict):
        return {name: same(each) for name, each in value.items() if each is not None and each != []}
    if isinstance(value, list):
        return [same(each) for each in value]
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:?\d\d)", value):
        return datetime.fromisoformat(value)
    return value


def assert_read(day: list[bytes], read: str) -> None:
    """Assert that a program wrote again what it read, message by message."""
    written = read.splitlines()
    assert len(written) == len(day)
    for line, again in zip(day, written, strict=True):
        assert same(json.loads(again)) == same(json.loads(line))
    assert {json.loads(line)["type"] for line in day} == {*EXAMPLES}


def test_code_for_go_reads_the_day(generated: Path, day: list[bytes]) -> None:
    program = generated / "go" / "reader"
    ran(tool("go"), "build", "-o", program, ".", cwd=generated / "go")
    assert_read(day[:READ_MAX], ran(program, stdin=b"\n".join(day[:READ_MAX])))


def test_code_for_java_reads_the_day(generated: Path, day: list[bytes]) -> None:
    javac, java = tool("javac"), tool("java")
    classpath = os.pathsep.join([str(generated / "java"), *map(str, jackson())])
    sources = sorted((generated / "java").glob("*.java"))
    ran(javac, f"-J{QUICK}", "-proc:none", "-cp", classpath, "-d", generated / "java", *sources)
    assert_read(day[:READ_MAX], ran(java, QUICK, "-cp", classpath, "contract.Main", stdin=b"\n".join(day[:READ_MAX])))


def jackson() -> list[Path]:
    """Return the jars that the code for Java rests on."""
    broker, folder = jars.ensure_jars(cache_dir()), cache_dir() / "schema-tools"
    folder.mkdir(exist_ok=True)
    if not JACKSON_TIME.is_in(folder):
        jars._fetch([JACKSON_TIME], folder, lambda _: None)
    found = [broker / jar.file_name for jar in jars.listed_jars() if jar.artifact in JACKSON]
    assert len(found) == len(JACKSON)
    return [*found, folder / JACKSON_TIME.file_name]


def test_code_for_typescript_reads_the_day(node: str, generated: Path, day: list[bytes]) -> None:
    folder = generated / "typescript"
    ran(node, HERE / "node_modules" / "typescript" / "bin" / "tsc", "-p", folder, cwd=HERE)
    read = [json.loads(line) for line in ran(node, folder / "main.mjs", stdin=b"\n".join(day)).splitlines()]
    assert len(read) == len(day)
    pafs = [json.loads(line)["data"] for line in day if b'"type":"decision.paf"' in line]
    fields = ("decision_id", "revision", "supersedes", "status", "outcome", "counts_in_mg")
    expected = Counter(tuple(paf.get(field) for field in fields) for paf in pafs)
    assert expected
    assert not expected - Counter(tuple(each) for each in read)


def test_code_for_python_reads_the_day(contract: Path, day: list[bytes], tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("datamodel-codegen")
    options = [
        "--input-file-type",
        "jsonschema",
        "--output-model-type",
        "pydantic_v2.BaseModel",
        "--formatters",
        "builtin",
    ]
    options += ["--collapse-root-models", "--target-python-version", "3.11", "--disable-timestamp"]
    ran(program, "--input", contract / "messages", "--output", tmp_path / "generated", *options)
    reader = HERE / "readers" / "python" / "reader.py"
    assert_read(day[:READ_MAX], ran(sys.executable, reader, tmp_path / "generated", stdin=b"\n".join(day[:READ_MAX])))
