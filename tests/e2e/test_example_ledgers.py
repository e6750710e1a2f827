"""The example ledgers in TypeScript and Java: over the test kit, and over a worker's topics while they are killed."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined] # re-exported all the same

from streams.embedded_kafka.broker import EmbeddedKafka
from streams.kit.export import export_kit
from tests.built_programs import SHORT_LIVED_JAVA, built, plain_environment
from tests.e2e.conftest import run_sop
from tests.e2e.harness import DECISIONS, STOP_S, Bench, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

Language = Literal["typescript", "java"]
COMPRESSION = dict(zip(DECISIONS, ("snappy", "lz4", "zstd", "gzip"), strict=True))
LONG_AFTER = "2026-01-01T00:00:00Z"
PATIENT_POLICY = """
label = "patient"
effective_from = "2020-01-01T00:00:00Z"
[presence]
retention = "30 d"
"""
"""Keeps all location reports, since the events of a week arrive at once."""
ENDED = (0, 128 + signal.SIGTERM)
"""The exit status after SIGTERM; a Java process has the second one."""


@dataclass(frozen=True)
class Ledger:
    """The command of a ledger."""

    command: Sequence[str | Path]

    def over_the_kit(self, folder: Path) -> dict[str, Any]:
        """Return, by name, the ledgers that the recorded streams of a kit lead to."""
        return self._printed("kit", folder)

    def contents(self, file: Path) -> dict[str, Any]:
        return self._printed("print", "--ledger", file)

    @contextmanager
    def started(self, run: Run, file: Path) -> Iterator[subprocess.Popen[bytes]]:
        """Yield a process that follows the topics of a run; it has ended afterwards."""
        source = ("--brokers", run.brokers, "--prefix", run.prefix)
        files = ("--table", run.table, "--ledger", file)
        command = [*self.command, "follow", *source, *files]
        with subprocess.Popen(command, env=plain_environment(), stdin=subprocess.DEVNULL) as process:
            try:
                yield process
            finally:
                process.kill()

    def _printed(self, *arguments: str | Path) -> dict[str, Any]:
        done = self.run(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        printed: dict[str, Any] = json.loads(done.stdout)
        return printed

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command, environment = [*self.command, *arguments], plain_environment()
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@dataclass(frozen=True)
class Run:
    """Topics that a worker has written, and the replay of what it had read as a kit of one stream, `replayed`."""

    brokers: str
    prefix: str
    ends: Mapping[tuple[str, int], int]
    """The offset after the last decision of each partition that has any."""
    replayed: Path

    @property
    def table(self) -> Path:
        return self.replayed / "posting_table.json"


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the exported test kit."""
    folder = tmp_path_factory.mktemp("kit")
    export_kit(folder)
    return folder


@pytest.fixture(scope="module")
def run(kafka: EmbeddedKafka, kit: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Have a worker decide the cases of the kit, into topics compressed in all of Kafka's ways.

    There is an aborted transaction in them, too.
    """
    folder = tmp_path_factory.mktemp("ledgers")
    events, replay, policy = kit / "events.jsonl", folder / "replay.jsonl", folder / "policy.toml"
    policy.write_text(PATIENT_POLICY)
    done = run_sop("replay", events, "--policy", policy, "--until", LONG_AFTER, "--out", replay)
    assert done.returncode == 0, done.stderr
    bench = Bench(kafka.address, "ledgers.", folder, settings={"SOP_POLICIES": str(policy)})
    create_compressed(bench)
    bench.start_ready()
    bench.feed_lines(events.read_bytes().splitlines())
    bench.wait_until_idle()
    bench.close()
    abort_a_decision(bench)
    ends = {(bench.prefix + record.topic, record.partition): record.offset + 1 for record in bench.read(*DECISIONS)}
    return Run(kafka.address, bench.prefix, ends, as_kit(replay, kit, folder / "replayed"))


@pytest.fixture(params=("typescript", "java"))
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    language: Language = request.param
    if language == "typescript":
        return Ledger(["node", built("node", "examples/typescript/build/main.js")])
    classes = built("java", "examples/java/target/classes")
    # the JDBC driver unpacks a library, which a killed process leaves behind
    options = [f"-Djava.io.tmpdir={tmp_path}", "-cp", f"{classes}:{classes.parent}/lib/*"]
    return Ledger(["java", *SHORT_LIVED_JAVA, *options, "ledger.Main"])


def test_every_stream_of_the_kit_leads_to_its_ledger(ledger: Ledger, kit: Path) -> None:
    streams = json.loads((kit / "kit.json").read_bytes())["streams"]
    expected = {each["name"]: json.loads((kit / each["ledger"]).read_bytes()) for each in streams}
    assert len(expected) >= 10
    assert ledger.over_the_kit(kit) == expected


def test_a_ledger_killed_before_commits_is_that_of_the_replay(ledger: Ledger, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    assert ledger.contents(file) == {"decisions": [], "balances": [], "review": []}
    for releases in (0, 1):
        kill_before_a_commit(ledger, run, file, releases)
    read_to_the_end(ledger, run, file)
    expected = ledger.over_the_kit(run.replayed)["replayed"]
    contents = ledger.contents(file)
    assert standing(contents) == standing(expected)
    assert len(contents["balances"]) >= 5
    entries = rows(file, "entries")

    with closing(sqlite3.connect(file)) as database, database:
        database.execute("DELETE FROM positions")
    read_to_the_end(ledger, run, file)
    assert ledger.contents(file) == contents
    assert rows(file, "entries") == entries


def test_a_ledger_names_a_missing_file_in_one_line(ledger: Ledger, tmp_path: Path) -> None:
    done = ledger.run("follow", "--table", tmp_path / "none.json", "--ledger", tmp_path / "ledger.db")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "none.json" in done.stderr


def kill_before_a_commit(ledger: Ledger, run: Run, file: Path, releases: int) -> None:
    """Kill a ledger that has written and waits to commit, after `releases` times at which it could commit for a while.

    A reader of the database keeps it from committing. Fails unless the ledger is as the reader saw it.
    """
    journal = file.with_name(f"{file.name}-journal")
    with closing(sqlite3.connect(file, timeout=60, isolation_level=None)) as reader:
        seen = locked_for_writers(reader)
        with ledger.started(run, file) as process:
            until(lambda: journal.exists() or process.poll() is not None)
            for _ in range(releases):
                reader.execute("COMMIT")
                seen = locked_for_writers(reader)
                until(lambda: journal.exists() or reached(file, run))
            process.kill()
            assert process.wait(STOP_S) == -signal.SIGKILL
    assert everything(file) == seen


def locked_for_writers(reader: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """Begin a transaction, during which nobody else can commit, and return the rows of a ledger."""
    reader.execute("BEGIN")
    return select_all(reader)


def read_to_the_end(ledger: Ledger, run: Run, file: Path) -> None:
    """Have a ledger read all topics to their ends, and stop it."""
    with ledger.started(run, file) as process:
        until(lambda: reached(file, run) or process.poll() is not None, lambda: rows(file, "positions"))
        process.terminate()
        assert process.wait(STOP_S) in ENDED


def reached(file: Path, run: Run) -> bool:
    """Return whether a ledger has read every decision."""
    positions = {(topic, partition): offset for topic, partition, offset in rows(file, "positions")}
    return all(positions.get(partition, 0) >= end for partition, end in run.ends.items())


def everything(file: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file, timeout=60)) as database:
        return select_all(database)


def select_all(database: sqlite3.Connection) -> list[tuple[Any, ...]]:
    tables = ("decisions", "entries", "positions")
    return [row for table in tables for row in database.execute(f"SELECT * FROM {table} ORDER BY 1, 2")]  # noqa: S608


def rows(file: Path, table: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file, timeout=60)) as database:
        return database.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - names of tables


def standing(contents: dict[str, Any]) -> dict[str, Any]:
    """Return what stands in a ledger in the end; how many revisions led there depends on the order of arrival."""
    members = ("decision_key", "status", "outcome", "lines")
    decisions = [{name: each[name] for name in members} for each in contents["decisions"]]
    return {**contents, "decisions": [each for each in decisions if each["outcome"] != "withdrawn"]}


def create_compressed(bench: Bench) -> None:
    """Create the topics of decisions, each compressed in another way."""
    new = [
        NewTopic(bench.prefix + topic, bench.partitions, 1, config={"compression.type": compression})
        for topic, compression in COMPRESSION.items()
    ]
    admin = AdminClient({"bootstrap.servers": bench.brokers, "log_level": 0})
    for made in admin.create_topics(new).values():
        made.result()


def abort_a_decision(bench: Bench) -> None:
    """Write a decision that would be posted into every partition, in a transaction that is then aborted."""
    forged = {
        "decision_id": "0" * 32,
        "decision_key": "forged|paf|out_of_scope|p-1",
        "revision": 1,
        "kind": "paf",
        "subject_of": "out_of_scope",
        "case_id": "forged",
        "partner_id": "p-1",
        "status": "final",
        "outcome": "upheld",
    }
    transactional_id = f"{bench.prefix}forger"
    producer = Producer({"bootstrap.servers": bench.brokers, "transactional.id": transactional_id, "log_level": 0})
    producer.init_transactions()
    producer.begin_transaction()
    for partition in range(bench.partitions):
        producer.produce(f"{bench.prefix}decisions.paf", json.dumps({"data": forged}), partition=partition)
    producer.flush()
    producer.abort_transaction()


def as_kit(replay: Path, kit: Path, folder: Path) -> Path:
    """Write the decisions of a replay as a kit of one stream; return its folder."""
    folder.mkdir()
    (folder / "posting_table.json").write_bytes((kit / "posting_table.json").read_bytes())
    lines = [line for line in replay.read_text().splitlines() if json.loads(line)["type"].startswith("decision.")]
    records = [
        {"topic": "decisions", "partition": 0, "offset": offset, "value": line} for offset, line in enumerate(lines)
    ]
    (folder / "replayed.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    stream = {"name": "replayed", "records": "replayed.jsonl", "topics": ["decisions"]}
    (folder / "kit.json").write_text(json.dumps({"posting_table": "posting_table.json", "streams": [stream]}))
    return folder
