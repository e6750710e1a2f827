"""Where the batch transport continues after offsets without records, and when its position is out of range."""

from __future__ import annotations

from confluent_kafka import Producer

from tests.integration.test_faust_transport import DEADLINE_S, Bench, bench, until

__all__ = ["bench"]


def test_offsets_deleted_before_the_start_are_skipped_only_if_accepted(bench: Bench) -> None:
    topic, *_ = topics = bench.topics("a", partitions=1)
    bench.fill(topic, 1, 10)
    bench.delete_before(topic, 7)
    bench.set_position((topic, 0), 3)
    plan = bench.plan(topics)
    worker = bench.start(plan)
    assert worker.wait(DEADLINE_S) == 70
    assert "stopped: LookupError: 3 to 6 are gone" in bench.log()
    plan.skips = True
    worker = bench.start(plan)
    until(lambda: bench.offsets() == {(topic, 0): [7, 8, 9]})
    assert bench.stop(worker) == 0
    assert bench.notes("deleted")[-1] == {**bench.notes("deleted")[0], "pid": worker.pid}


def test_offsets_deleted_while_a_worker_lags_are_skipped_if_accepted(bench: Bench) -> None:
    topic, *_ = topics = bench.topics("a", partitions=1)
    bench.fill(topic, 1, 12, size=400_000)  # a fetch has few of these
    worker = bench.start(bench.plan(topics, skips=True, handler_s={"0": 0.2}, options={"records_max": 1}))
    until(lambda: bool(bench.notes("began")))
    bench.delete_before(topic, 10)
    until(lambda: bench.offsets().get((topic, 0), [])[-1:] == [11])
    assert bench.stop(worker) == 0
    (gone,) = bench.notes("deleted")
    assert gone["end"] == 10
    assert bench.offsets()[topic, 0] == [*range(gone["first"]), 10, 11]


def test_a_position_behind_the_end_of_the_log_ends_the_worker(bench: Bench) -> None:
    topic, *_ = topics = bench.topics("a", partitions=1)
    bench.fill(topic, 1, 5)
    bench.set_position((topic, 0), 7)
    worker = bench.start(bench.plan(topics))
    assert worker.wait(DEADLINE_S) == 70
    assert f"{topic}-0: the position was 7, but the log ends at 5" in bench.log()


def test_aborted_transactions_stay_unseen_and_their_gaps_do_no_harm(bench: Bench) -> None:
    topic, *_ = topics = bench.topics("a", partitions=1)
    producer = Producer({"bootstrap.servers": bench.broker, "transactional.id": topic, "log_level": 0})
    producer.init_transactions(DEADLINE_S)
    for number in range(6):
        producer.begin_transaction()
        for _ in range(3):
            producer.produce(topic, f"{number}".encode(), partition=0)
        producer.flush(DEADLINE_S)
        (producer.abort_transaction if number % 2 else producer.commit_transaction)(DEADLINE_S)
    plan = bench.plan(topics)
    worker = bench.start(plan)
    until(lambda: len(bench.offsets().get((topic, 0), ())) == 9)
    producer.begin_transaction()  # still open: neither it nor a later record may be seen
    producer.produce(topic, b"open", partition=0)
    producer.flush(DEADLINE_S)
    bench.fill(topic, 1, 1, first=99)
    producer.abort_transaction(DEADLINE_S)
    until(lambda: len(bench.offsets()[topic, 0]) == 10)
    until(lambda: bench.committed(plan, [(topic, 0)]) == {(topic, 0): 27})  # past the marker
    producer.begin_transaction()  # none of it is ever handled, but the position passes it
    producer.produce(topic, b"nothing", partition=0)
    producer.flush(DEADLINE_S)
    producer.abort_transaction(DEADLINE_S)
    until(lambda: bench.notes("position")[-1]["offset"] == 29)
    assert bench.stop(worker) == 0
    values = [value for note in bench.notes("done") for value in note["values"]]
    assert values == ["0"] * 3 + ["2"] * 3 + ["4"] * 3 + ["00000099"]
