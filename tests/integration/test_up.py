"""`sop up` as a process: its output, how it ends, and that it leaves nothing behind."""

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from streams.embedded_kafka.broker import EmbeddedKafka
from streams.embedded_kafka.free_ports import HOST
from tests.scenario import Scenario
from tests.terminal import on_terminal
from tests.zygote import SOP

pytestmark = pytest.mark.timeout(400)

DEADLINE_S = 60.0
STOP_S = 30.0
CHILDREN_STOP_S = 45.0
POLL_S = 0.05
EVENTS = Scenario().booked().assigned().report("10:00", 20).ticket("10:00").lines()
ROW = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  (tagging|paf|rating_reversal|refund) +(\S+)")


class Up:
    """A running `sop up`."""

    def __init__(self, arguments: str, **variables: str) -> None:
        others = {name: value for name, value in os.environ.items() if not name.startswith("SOP_")}
        self._error = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by `kill`
        self._process = subprocess.Popen(
            [SOP, "up", *arguments.split()],
            env=others | variables,
            stdout=subprocess.PIPE,
            stderr=self._error,
            text=True,
        )
        self.shown: list[str] = []

    def until(self, wanted: Callable[[str], object]) -> str:
        """Read lines until one matches, and return it."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.shown.append(line.rstrip("\n"))
            if wanted(line):
                return line.rstrip("\n")
        raise AssertionError(f"ended without a match: {self.shown} {self.wait()}")

    def processes(self) -> list[psutil.Process]:
        """Return all processes that it has started."""
        return psutil.Process(self._process.pid).children(recursive=True)

    def worker(self) -> psutil.Process:
        """Return the worker process."""
        (worker,) = (each for each in self.processes() if each.cmdline()[1:] == ["-m", "sop", "worker"])
        return worker

    def console(self) -> psutil.Process:
        """Return the console's process."""
        (console,) = (each for each in self.processes() if each.cmdline()[1:] == ["-m", "sop", "console"])
        return console

    def send_signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, timeout_s: float = DEADLINE_S) -> tuple[int, str]:
        """Wait until it has ended; return exit status and standard error, and keep its output in `shown`."""
        assert self._process.stdout is not None
        # `communicate` would lose what the stream has buffered
        self.shown += [line.rstrip("\n") for line in self._process.stdout]
        status = self._process.wait(timeout=timeout_s)
        self._error.seek(0)
        return status, self._error.read()

    def close_output(self) -> None:
        """Close the reading end of its output."""
        assert self._process.stdout is not None
        self._process.stdout.close()

    def wait_unread(self) -> tuple[int, str]:
        """Wait until it has ended; return exit status and standard error, without reading its output."""
        status = self._process.wait(timeout=DEADLINE_S)
        self._error.seek(0)
        return status, self._error.read()

    def cases(self) -> set[str]:
        """Return the cases with a decision in the output."""
        return {row[2] for line in self.shown if (row := ROW.match(line))}

    def kill(self) -> None:
        """Kill it in whatever state it is."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait(timeout=DEADLINE_S)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._error.close()


@contextmanager
def up(arguments: str, **variables: str) -> Iterator[Up]:
    running = Up(arguments, **variables)
    try:
        yield running
    finally:
        running.kill()


def over(kafka: EmbeddedKafka, prefix: str) -> tuple[str, dict[str, str]]:
    """Return the option and variables for a running broker, with topics and a group of its own."""
    return f"--brokers {kafka.address}", {"SOP_TOPIC_PREFIX": prefix, "SOP_GROUP": f"{prefix}group"}


@pytest.fixture
def decided_at_once(tmp_path: Path) -> str:
    """Return the option that sends the events of one case, which is decided as soon as they are read."""
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(EVENTS) + b"\n")
    return f"--input {file}"


def all_gone(processes: list[psutil.Process]) -> bool:
    deadline = time.monotonic() + CHILDREN_STOP_S
    while any(process.is_running() for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def test_it_ends_after_the_duration_with_a_summary() -> None:
    with up("--duration 6 --jobs 200 --speed 1600") as running:
        assert running.until(lambda line: "Kafka is at" in line).startswith("Kafka is at 127.0.0.1:")
        assert running.until(lambda line: "kcat" in line).startswith("look in:  kcat -b 127.0.0.1:")
        assert running.until(lambda line: "OUTCOME" in line).startswith("EFFECTIVE")
        running.until(ROW.match)
        processes = running.processes()

        status, error = running.wait()

        assert (status, error) == (0, "")
        assert not any(process.is_running() for process in processes)
        (summary,) = (line for line in running.shown if " events sent: " in line)
        counted = re.fullmatch(
            r"(\d+) events sent: (\d+) decisions on (\d+) cases, \d+ actions opened, \d+ alerts, \d+ dead letters",
            summary,
        )
        assert counted
        assert int(counted[2]) == len([line for line in running.shown if ROW.match(line)])
        assert int(counted[3]) == len(running.cases())


CONSOLE = re.compile(r"the console is at (http://\S+)")


def test_the_console_answers_and_decisions_go_on_without_it(kafka: EmbeddedKafka, prefix: str) -> None:
    option, variables = over(kafka, prefix)
    with up(f"{option} --jobs 200 --speed 400", **variables) as running:
        announced = CONSOLE.match(running.until(CONSOLE.match))
        assert announced
        with urlopen(f"{announced[1]}/cases", timeout=DEADLINE_S) as answer:  # noqa: S310 - our own address
            assert b"<h1>Cases</h1>" in answer.read()
        running.console().kill()
        running.until(lambda line: line.startswith("there is no console: "))
        running.until(ROW.match)
        running.send_signal(signal.SIGTERM)
        assert running.wait(STOP_S) == (0, "")


def test_a_second_console_takes_another_port(kafka: EmbeddedKafka, prefix: str) -> None:
    with socket.create_server((HOST, 0)) as taken:
        option, variables = over(kafka, prefix)
        given = {"SOP_CONSOLE_LISTEN": f"{HOST}:{taken.getsockname()[1]}"}
        with up(f"{option} --jobs 50", **variables, **given) as running:
            assert "cannot be listened at" in running.until(lambda line: line.startswith("there is no console: "))
    with up(f"{option} --jobs 50", **variables) as first:
        address = first.until(CONSOLE.match)
        with up(f"{option} --jobs 50", **variables) as second:
            assert second.until(CONSOLE.match) != address


def test_ctrl_c_stops_everything(decided_at_once: str) -> None:
    with up(decided_at_once) as running:
        running.until(ROW.match)
        processes = running.processes()
        assert {process.name() for process in processes} >= {"java"}

        running.send_signal(signal.SIGINT)
        status, error = running.wait(STOP_S)

        assert (status, error) == (0, "")
        assert not any(process.is_running() for process in processes)
        assert any(" events sent: " in line for line in running.shown)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_stop_it_too(
    number: signal.Signals, kafka: EmbeddedKafka, prefix: str, decided_at_once: str
) -> None:
    option, variables = over(kafka, prefix)
    with up(f"{option} {decided_at_once}", **variables) as running:
        running.until(ROW.match)
        processes = running.processes()

        running.send_signal(number)
        status, error = running.wait(STOP_S)

        assert (status, error) == (0, "")
        assert not any(process.is_running() for process in processes)
        assert any(" events sent: " in line for line in running.shown)


def test_child_processes_end_when_it_is_killed() -> None:
    with up("--jobs 50") as running:
        running.until(lambda line: line.startswith("EFFECTIVE"))
        processes = running.processes()
        assert processes

        running.send_signal(signal.SIGKILL)

        assert running.wait()[0] == -signal.SIGKILL
        assert all_gone(processes)


@pytest.mark.parametrize("columns", [80, 120])
def test_its_output_fits_a_terminal(kafka: EmbeddedKafka, prefix: str, columns: int, decided_at_once: str) -> None:
    option, variables = over(kafka, prefix)
    others = {name: value for name, value in os.environ.items() if not name.startswith("SOP_")}
    command = [str(SOP), "up", *option.split(), "--duration", "3s", *decided_at_once.split()]

    status, lines = on_terminal(command, columns, others | variables)

    assert status == 0
    assert "loading" in lines[0]
    assert any("waiting for the worker" in line for line in lines)
    head = next(number for number, line in enumerate(lines) if line.startswith("UTC"))
    assert max(len(line) for line in lines[head:]) <= columns
    assert any(re.match(r"\d\d:\d\d:\d\d  (tagging|paf) ", line) for line in lines[head:])
    assert any(" events sent: " in line for line in lines[head:])


def test_as_json_standard_output_has_only_messages(kafka: EmbeddedKafka, prefix: str, decided_at_once: str) -> None:
    option, variables = over(kafka, prefix)
    with up(f"{option} --json --duration 3 {decided_at_once}", **variables) as running:
        status, error = running.wait()

        assert status == 0
        assert {json.loads(line)["type"] for line in running.shown} >= {"decision.tagging", "action"}
        assert " events sent: " in error


def test_the_duration_counts_from_the_first_event(kafka: EmbeddedKafka, prefix: str) -> None:
    option, variables = over(kafka, prefix)
    with up(f"{option} --duration 0.5 --jobs 100", **variables) as running:  # shorter than the worker takes to join
        status, error = running.wait()

        assert (status, error) == (0, "")
        (summary,) = (line for line in running.shown if " events sent: " in line)
        assert not summary.startswith("0 ")


def test_a_closed_pipe_ends_it_without_failure(kafka: EmbeddedKafka, prefix: str) -> None:
    option, variables = over(kafka, prefix)
    with up(f"{option} --jobs 100", **variables) as running:
        running.until(ROW.match)
        processes = running.processes()

        running.close_output()

        assert running.wait_unread() == (0, "")
        assert all_gone(processes)


@pytest.mark.parametrize("command", ["worker", "up --brokers {broker}"])
def test_a_signal_during_startup_is_a_normal_stop(command: str) -> None:
    with socket.create_server((HOST, 0)) as silent:
        broker = f"{HOST}:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            [SOP, *command.format(broker=broker).split()],
            env={"SOP_BROKERS": broker},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        silent.settimeout(DEADLINE_S)
        with silent.accept()[0]:  # it is waiting for an answer that never comes
            process.send_signal(signal.SIGTERM)
            _, error = process.communicate(timeout=STOP_S)

    assert (process.returncode, error) == (0, "")


def test_a_killed_worker_is_reported_in_one_line_with_status_1(kafka: EmbeddedKafka, prefix: str) -> None:
    option, variables = over(kafka, prefix)
    with up(f"{option} --jobs 50", **variables) as running:
        running.until(lambda line: line.startswith("EFFECTIVE"))

        running.worker().kill()
        status, error = running.wait()

        assert status == 1
        assert error.startswith("sop: the worker ended with status 137; it last wrote: ")
        assert error.count("\n") == 1


def test_a_worker_that_cannot_start_is_reported_with_its_reason(kafka: EmbeddedKafka, prefix: str) -> None:
    option, variables = over(kafka, prefix)
    with up(option, **variables, SOP_REDIS_URL="redis://127.0.0.1:1") as running:
        status, error = running.wait()

        assert status == 1
        assert error.startswith("sop: the worker ended with status 2; it last wrote: sop: SOP_REDIS_URL: ")
        assert error.count("\n") == 1


def test_events_of_a_file_are_sent_and_unreadable_ones_become_dead_letters(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    option, variables = over(kafka, prefix)
    lines = EVENTS
    unreadable = [b"{", b"[]", b'{"type": "job.mislaid", "subject": "job-1"}', b'{"type": "ticket.created"}']
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join([*lines, *unreadable]) + b"\n")

    with up(f"{option} --input {file}", **variables) as running:
        running.until(
            lambda _: (
                any(map(ROW.match, running.shown))
                and any("are sent" in line for line in running.shown)
                and sum("  refused  " in line for line in running.shown) == len(unreadable)
            )
        )
        row = next(filter(ROW.match, running.shown))
        running.send_signal(signal.SIGTERM)

        status, error = running.wait()

        assert (status, error) == (0, "")
        assert "job-1" in row
        assert "partner_led_cancellation/out_of_scope" in row
        assert f"all {len(lines) + len(unreadable)} events are sent; press Ctrl-C to stop" in running.shown
        assert any(f", {len(unreadable)} dead letters" in line for line in running.shown)


def test_a_second_run_on_the_same_topics_has_new_cases(kafka: EmbeddedKafka, prefix: str) -> None:
    option, variables = over(kafka, prefix)
    with up(f"{option} --jobs 50 --speed 1000", **variables) as first:
        first.until(ROW.match)
        first.send_signal(signal.SIGINT)
        assert first.wait()[0] == 0
    with up(f"{option} --jobs 50 --speed 1000", **variables) as second:
        # it may also decide leftover events of the first run
        second.until(lambda _: second.cases() - first.cases())
        second.send_signal(signal.SIGINT)
        assert second.wait()[0] == 0
