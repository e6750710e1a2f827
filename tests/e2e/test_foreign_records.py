"""Records of other producers and brokers: compressed, with any header, without a value."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined] # re-exported all the same

from agents.sops import catalogue
from schemas.codec.encoder import decode_dead_letter
from schemas.codec.headers import Headers
from schemas.topics import INPUTS
from streams.kafka.connection import KafkaConnection
from streams.kafka.log import KafkaLog
from streams.kafka.record_batches import record_batch
from streams.processor.decoder import partition_of
from streams.runtime.ports import TP, Stored
from tests.e2e.conftest import run_sop
from tests.e2e.harness import INTERNAL, LATEST, OUTPUTS, Bench, Feed, feed_of
from tests.e2e.stories import Visit
from tests.e2e.verifier import emitted, violations

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

VISIT = Visit("job-1", "partner-1")
MIB = 1024 * 1024
KINDS = ("tagging", "paf")
CODECS = ("gzip", "snappy", "lz4", "zstd")
ANY_HEADERS: Headers = (("caf\udce9", b"\xff"), ("none", None), ("empty", b""))


def lines(visit: Visit) -> list[bytes]:
    """Return events that lead to decisions."""
    return [*visit.booking, *visit.report, *visit.claim]


def decided(bench: Bench) -> set[tuple[str, str]]:
    """Return the kinds of decisions by case."""
    messages = [each for each in emitted(bench.outputs()) if each.type.startswith("decision.")]
    return {(each.data["case_id"], each.type.removeprefix("decision.")) for each in messages}


def produce(bench: Bench, records: Sequence[tuple[str, int, bytes | None, bytes | None, Headers]]) -> None:
    """Write records (topic, partition, key, value, headers) that no client can produce in its usual way."""

    async def send() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=bench.brokers, enable_idempotence=True)
        await producer.start()
        try:
            for topic, partition, key, value, headers in records:
                batch = record_batch(key, value, headers)
                await (await producer.send_batch(batch, bench.prefix + topic, partition=partition))
        finally:
            await producer.stop()

    asyncio.run(send())


def stored(bench: Bench, topic: str) -> list[Stored]:
    """Return all records of a topic, with any headers."""

    async def read() -> list[Stored]:
        log = KafkaLog(KafkaConnection(bench.brokers))
        tps = [TP(bench.prefix + topic, number) for number in range(bench.partitions)]
        return [each for tp in tps async for records in log.read(tp, 0) for each in records]

    return asyncio.run(read())


def test_compressed_input_is_decided_like_any_other(bench: Bench) -> None:
    bench.start_ready()
    for codec in CODECS:
        options: dict[str, str | int] = {"compression.type": codec, "linger.ms": 200}
        bench.feed_lines(lines(Visit(f"job-{codec}", f"partner-{codec}")), **options)
    bench.wait_until_idle()
    assert decided(bench) == {(f"job-{codec}", kind) for codec in CODECS for kind in KINDS}
    assert violations(emitted(bench.outputs())) == []


@pytest.mark.parametrize("shift", [0, 2])
def test_topics_with_any_compression_type_are_read_and_read_back(bench: Bench, shift: int) -> None:
    """Every codec is used on inputs, internal topics and outputs; without a store a worker reads all of them back."""
    topics = catalogue.topics(bench.prefix)
    codec_of = {name: CODECS[(at + shift) % len(CODECS)] for at, name in enumerate((*topics.consumed, topics.progress))}
    codec_of |= {name: CODECS[(at + shift) % len(CODECS)] for at, name in enumerate(topics.outputs)}
    configs = {
        name: {"compression.type": codec, "max.message.bytes": str(MIB if name in topics.inputs else 8 * MIB)}
        for name, codec in codec_of.items()
    }
    admin = AdminClient({"bootstrap.servers": bench.brokers, "log_level": 0})
    new = [NewTopic(name, bench.partitions, 1, config=config) for name, config in configs.items()]
    for made in admin.create_topics(new).values():
        made.result()
    first = bench.start_ready()
    # librdkafka's default partitioner, CRC32: some events are forwarded through the internal topics
    events = [*map(feed_of, lines(VISIT)), Feed("jobs", b"job-2", b"{}")]
    bench.feed(events, partitioner="consistent_random")
    bench.wait_until_idle()
    before = [(each.topic, each.partition, each.value) for each in bench.outputs()]
    assert decided(bench) == {("job-1", kind) for kind in KINDS}
    assert first.stop() == 0
    bench.start_ready()
    bench.wait_until_idle()
    assert [(each.topic, each.partition, each.value) for each in bench.outputs()] == before
    environment = bench.environment()
    for command in (("status",), ("dead-letters", "list"), ("case", "job-1")):
        result = run_sop(*command, env=environment)
        assert result.returncode == 0, result.stderr


def test_any_header_survives_forwarding(bench: Bench) -> None:
    """The record is on the wrong partition: its task forwards it, and the task of the case applies or refuses it."""
    bench.start_ready()
    wrong = (partition_of("job-1", bench.partitions) + 1) % bench.partitions
    events = [(each.topic, wrong, each.key, each.value, ANY_HEADERS) for each in map(feed_of, lines(VISIT))]
    events = [each for each in events if each[0] != "locations"]
    topic, _, key, value, _ = events[0]
    assert value is not None
    conflicting = json.dumps({**json.loads(value), "time": "2025-01-01T00:00:00Z"}).encode()
    produce(bench, [*events, (topic, wrong, key, conflicting, ANY_HEADERS)])
    bench.wait_until_idle()
    assert decided(bench) == {("job-1", kind) for kind in KINDS}
    (letter,) = (decode_dead_letter(each.value or b"") for each in stored(bench, "dead-letters"))
    assert letter.reason.startswith("id: ")
    assert (letter.partition, letter.key, letter.value) == (wrong, key, conflicting)
    assert letter.headers == ANY_HEADERS


def test_refused_records_are_redriven_byte_for_byte(bench: Bench) -> None:
    refused = [(b"job-1", None), (None, None), (b"", b""), (b"\xff", b"\xff")]
    environment = bench.environment()
    bench.start_ready()
    produce(bench, [("jobs", 1, key, value, ANY_HEADERS) for key, value in refused])
    bench.wait_until_idle()
    found = bench.read("dead-letters")
    assert [each.key for each in found] == [key for key, _ in refused]
    dead_letters = [json.loads(each.value)["data"] for each in found]
    assert [each["value"] for each in dead_letters] == [None, None, "", "/w=="]
    for each in dead_letters:
        assert each["headers"] == [["caf\ufffd", "/w=="], ["none", None], ["empty", ""]]

    for offset, (_, value) in enumerate(refused):
        shown = run_sop("dead-letters", "show", f"{bench.prefix}jobs-1@{offset}", env=environment)
        assert shown.returncode == 0, shown.stderr
        assert "header:      caf\\xe9: \\xff\n" in shown.stdout
        assert ("value:       none" in shown.stdout) == (value is None)

    sent = run_sop("dead-letters", "redrive", "--topic", "jobs", "--send", env=environment)
    assert sent.returncode == 0, sent.stderr
    again = stored(bench, "jobs")[len(refused) :]
    assert [(each.key, each.value) for each in again] == refused
    for each in again:
        assert list(each.headers) == [*ANY_HEADERS, ("sop-redrives", b"1")]
    bench.wait_until_idle()
    assert len(bench.read("dead-letters")) == 2 * len(refused)


def test_a_replay_reads_records_with_any_header_from_kafka(bench: Bench) -> None:
    bench.create(*INPUTS)
    events = [(each.topic, 0, each.key, each.value, ANY_HEADERS) for each in map(feed_of, lines(VISIT))]
    produce(bench, [*events, ("jobs", 0, None, None, ANY_HEADERS)])
    out = bench.folder / "out.jsonl"
    result = run_sop("replay", f"kafka://{bench.brokers}/{bench.prefix}", "--out", out, env=bench.environment())
    assert result.returncode == 0, result.stderr
    messages = [json.loads(line) for line in out.read_bytes().splitlines()]
    (letter,) = (each["data"] for each in messages if each["type"] == "dead-letter")
    assert letter["value"] is None
    assert {f"decision.{kind}" for kind in KINDS} <= {each["type"] for each in messages}


def test_foreign_records_in_the_workers_topics_stop_no_worker(bench: Bench) -> None:
    """Those on internal topics are refused; those among the outputs are skipped."""
    environment = bench.environment()
    worker = bench.start_ready()
    bench.feed_lines(VISIT.booking)
    bench.wait_until_idle()
    contents = [(None, None), (b"job-1", None), (None, b""), (b"job-1", b"\xff\xff"), (b"job-1", b"{}")]
    internal = [(topic, 1, key, value, ANY_HEADERS) for topic in INTERNAL for key, value in contents]
    produce(bench, internal)
    bench.wait_until_idle()
    assert worker.stop() == 0
    assert len(bench.read("dead-letters")) == len(internal)
    numbers = range(bench.partitions)
    topics = [topic for topic in OUTPUTS if topic != LATEST]
    produce(bench, [(topic, at, key, value, ()) for topic in topics for at in numbers for key, value in contents])
    produce(bench, [(LATEST, at, key, value, ()) for at in numbers for key, value in contents if key])
    keys = (b"job-1", b"progress", b"suspects")  # a compacted topic requires a key
    produce(bench, [("internal.progress", at, key, b"{}", ()) for at in numbers for key in keys])

    again = bench.start_ready()
    bench.feed_lines([*VISIT.report, *VISIT.claim])
    bench.wait_until_idle()
    assert f"{bench.prefix}decisions.paf-0@" in again.log
    assert "not written by a worker, ignored" in again.log
    result = run_sop("status", env=environment)
    assert (result.returncode, result.stderr) == (0, "")
    assert again.stop() == 0
    own = [
        each for each in bench.read("decisions.tagging", "decisions.paf") if each.value.startswith(b'{"specversion"')
    ]
    assert {each.key for each in own} == {b"job-1"}
    listed = run_sop("dead-letters", "list", env=environment)
    assert listed.returncode == 0
    assert f"{bench.prefix}internal.cases" in listed.stdout
    assert f"sop: {4 * bench.partitions} records in the topic are not dead letters" not in listed.stdout
    assert "records in the topic are not dead letters, the first is" in listed.stderr


def test_an_input_blocked_by_another_producer_is_reported(bench: Bench) -> None:
    """Nobody can read past an open transaction; the worker continues when it ends."""
    bench.start_ready()
    other_producer = Producer(
        {"bootstrap.servers": bench.brokers, "transactional.id": f"{bench.prefix}other_producer", "log_level": 0}
    )
    other_producer.init_transactions(30)
    other_producer.begin_transaction()
    for number in range(bench.partitions):
        other_producer.produce(f"{bench.prefix}jobs", b"{}", partition=number)
    assert other_producer.flush(30) == 0
    bench.feed_lines(lines(VISIT))
    result = run_sop("status", env=bench.environment())
    assert result.returncode == 1
    assert f"sop: {bench.prefix}jobs-0: blocked at 0 until another producer ends" in result.stderr
    other_producer.abort_transaction(30)
    bench.wait_until_idle()
    assert decided(bench) == {("job-1", kind) for kind in KINDS}
    assert run_sop("status", env=bench.environment()).returncode == 0
