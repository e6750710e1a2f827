"""`sop replay` from the command line: input and output, dead letters, exit status, and how it ends."""

from __future__ import annotations

import base64
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import zstandard

from schemas.codec.limits import Limits
from sop.main import run
from streams.replay.parallel import can_fork
from streams.simulator.options import SimulatorOptions
from streams.simulator.simulation import simulate
from tests.scenario import Scenario

SOP = str(Path(sys.executable).with_name("sop"))
VALUE_MAX = Limits().value_bytes
DEADLINE_S = 60.0
JOBS = pytest.mark.parametrize("jobs", ["1", "2"])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def case_lines() -> list[bytes]:
    """Return a case of four facts and a report, in time order."""
    return Scenario().booked().assigned().report("10:00").ticket("10:00").image("10:05").lines()


def write_lines(name: str, *lines: bytes) -> None:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_bytes(b"".join(line + b"\n" for line in lines))


def replay(*arguments: str, status: int = 0) -> list[dict[str, object]]:
    """Return the messages that a replay writes."""
    assert run(["replay", *arguments, "--out", "out.jsonl"]) == status
    return [json.loads(line) for line in Path("out.jsonl").read_bytes().splitlines()]


def dead_letters(messages: list[dict[str, object]]) -> list[dict[str, object]]:
    found = [message["data"] for message in messages if message["type"] == "dead-letter"]
    assert all(isinstance(data, dict) for data in found)
    return found  # type: ignore[return-value]  # just asserted


@JOBS
def test_a_line_that_is_too_long_becomes_one_truncated_dead_letter(jobs: str) -> None:
    line = case_lines()[0]
    longest = line + b" " * (VALUE_MAX - len(line))
    write_lines(
        "day.jsonl", b"", longest, b"x" * (VALUE_MAX + 1), longest + b" ", b" " * (VALUE_MAX * 5), *case_lines()
    )
    found = dead_letters(replay("day.jsonl", "--jobs", jobs))
    assert [(each["offset"], each["reason"]) for each in found] == [
        (3, f"value: {VALUE_MAX + 1} bytes, at most {VALUE_MAX}"),
        (4, f"value: {VALUE_MAX + 1} bytes, at most {VALUE_MAX}"),
        (5, f"value: {VALUE_MAX * 5} bytes, at most {VALUE_MAX}"),
    ]
    beginnings = [base64.b64decode(str(each["value"])) for each in found]
    assert beginnings == [b"x" * 1024, longest[:1024], b" " * 1024]


@JOBS
def test_facts_beyond_the_limit_of_a_case_are_dead_letters_in_input_order(
    jobs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOP_FACTS_PER_CASE_MAX", "2")
    booked, assigned, report, ticket, image = case_lines()
    other = b'{"specversion": "1.0", "id": "x", "source": "/s", "type": "job.rated", "subject": "job-2", "time": '
    rated = other + b'"2026-11-21T10:00:00Z", "data": {"stars": 5}}'
    # A refused fact claims no identity; an accepted one stays accepted.
    write_lines("day.jsonl", image, booked, ticket, report, image, rated, ticket, assigned, booked)
    messages = replay("day.jsonl", "--jobs", jobs)
    reason = "subject: job-1 has as many facts as a case may have"
    assert [(each["offset"], each["reason"]) for each in dead_letters(messages)] == [
        (3, reason),
        (7, reason),
        (8, reason),
    ]


@JOBS
def test_dead_letters_differ_by_folder_only_in_the_file_name(jobs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/day.jsonl", "b/day.jsonl"):
        write_lines(name, *case_lines(), b"{}", b"{}", b"[]")
    here = replay("a/day.jsonl", "b/day.jsonl", "--jobs", jobs)
    absolute = [str(Path(name).absolute()) for name in ("a/day.jsonl", "b/day.jsonl")]
    monkeypatch.chdir("a")
    there = replay("../a/day.jsonl", *absolute[1:], "--jobs", jobs)
    assert [each["topic"] for each in dead_letters(here)] == ["a/day.jsonl"] * 3 + ["b/day.jsonl"] * 3
    assert [each["topic"] for each in dead_letters(there)] == ["../a/day.jsonl"] * 3 + absolute[1:] * 3
    assert len({str(message["id"]) for message in here}) == len(here)
    for message in (*here, *there):
        if message["type"] == "dead-letter":
            del message["data"]["topic"]  # type: ignore[attr-defined]  # an object
    assert here == there


@JOBS
@pytest.mark.parametrize("lines", [[b"not JSON"], [b"{}", b"", b"x" * (VALUE_MAX + 1)]])
def test_an_input_with_no_accepted_record_ends_with_status_1(
    jobs: str, lines: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    write_lines("day.jsonl", *lines)
    assert dead_letters(replay("day.jsonl", "--jobs", jobs, status=1))
    counts, error = capsys.readouterr().err.splitlines()
    assert counts.startswith("0 events, 0 duplicates")
    assert error == "sop: no record of day.jsonl was accepted; out.jsonl has the reasons"


@pytest.mark.parametrize("lines", [[], [b"", b" "], [b"not JSON", *case_lines()]])
def test_an_empty_input_or_one_with_an_accepted_record_ends_with_status_0(lines: list[bytes]) -> None:
    write_lines("day.jsonl", *lines)
    replay("day.jsonl")


@JOBS
def test_a_file_name_may_contain_any_bytes(jobs: str, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON cannot represent a name that is not UTF-8, and a terminal must not interpret control characters."""
    name = os.fsdecode(b"\xff\x1b[31m\n.jsonl")
    write_lines(name, b"not JSON")
    (letter,) = dead_letters(replay(name, "--jobs", jobs, status=1))
    assert letter["topic"] == "\N{REPLACEMENT CHARACTER}\x1b[31m\n.jsonl"
    _, error = capsys.readouterr().err.splitlines()
    assert error == r"sop: no record of \udcff\x1b[31m\n.jsonl was accepted; out.jsonl has the reasons"


@JOBS
@pytest.mark.parametrize("name", ["day.jsonl.gz", "day.jsonl.zst"])
def test_a_damaged_compressed_file_is_reported_and_leaves_no_output(
    jobs: str, name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = b"\n".join(simulate(SimulatorOptions(jobs=5)))
    packed = gzip.compress(text) if name.endswith(".gz") else zstandard.ZstdCompressor().compress(text)
    Path(name).write_bytes(packed[: len(packed) // 2])
    assert run(["replay", name, "--out", "out.jsonl", "--jobs", jobs]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"sop: {name}: cannot be read: ")
    assert error.count("\n") == 1
    assert [path.name for path in folder.iterdir()] == [name]


def test_the_output_does_not_overwrite_an_input(capsys: pytest.CaptureFixture[str]) -> None:
    write_lines("day.jsonl", *case_lines())
    Path("own.toml").write_text('label = "own"\n', encoding="utf-8")
    Path("link").symlink_to("own.toml")
    for out, kept in (("./day.jsonl", "day.jsonl"), ("link", "own.toml")):
        before = Path(kept).read_bytes()
        assert run(["replay", "day.jsonl", "--policy", "own.toml", "--out", out]) == 2
        assert capsys.readouterr().err == f"sop: {out}: cannot be written: it is the input {kept}\n"
        assert Path(kept).read_bytes() == before


@JOBS
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
def test_standard_input_and_output_are_a_dash(jobs: str, pack: type[bytes]) -> None:
    write_lines("day.jsonl", *case_lines())
    replay("day.jsonl")
    packed = pack(Path("day.jsonl").read_bytes())
    command = [SOP, "replay", "-", "--out", "-", "--jobs", jobs]
    done = subprocess.run(command, input=packed, capture_output=True, check=True)
    assert done.stdout == Path("out.jsonl").read_bytes()
    case = subprocess.run([SOP, "case", "job-1", "--input", "-"], input=packed, capture_output=True, check=True)
    assert case.stdout.startswith(b"case job-1 ")


def test_a_closed_standard_input_is_reported() -> None:
    shell = ["sh", "-c", '"$0" replay - --out out.jsonl <&-', SOP]
    done = subprocess.run(shell, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "sop: standard input: cannot be read: it is closed\n")


@JOBS
@pytest.mark.parametrize("stderr", [">&-", ">/dev/full"])
def test_an_unwritable_standard_error_changes_nothing(jobs: str, stderr: str, folder: Path) -> None:
    write_lines("day.jsonl", *case_lines())
    replay("day.jsonl")
    shell = ["sh", "-c", f'"$0" replay day.jsonl --out - --jobs {jobs} 2{stderr}', SOP]
    done = subprocess.run(shell, stdout=subprocess.PIPE, check=False)
    assert (done.returncode, done.stdout) == (0, (folder / "out.jsonl").read_bytes())
    shell[2] = f'"$0" replay absent --out - 2{stderr}'
    done = subprocess.run(shell, stdout=subprocess.PIPE, check=False)
    assert (done.returncode, done.stdout) == (2, b"")


@pytest.fixture
def running(folder: Path) -> Iterator[tuple[psutil.Popen, list[psutil.Process]]]:
    """A replay that cannot end by itself, because nobody reads its output, and its child processes."""
    lines = list(simulate(SimulatorOptions(jobs=300, report_interval_s=60)))
    write_lines("day.jsonl", *lines)
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    before = {*folder.iterdir()}
    command = [SOP, "replay", "day.jsonl", "--out", "pipe", "--jobs", "2"]
    with psutil.Popen(command, stderr=subprocess.PIPE, start_new_session=True) as parent:
        deadline = time.monotonic() + DEADLINE_S
        while len(children := parent.children()) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        yield parent, children
        with suppress(psutil.NoSuchProcess):
            parent.kill()
    os.close(reader)
    assert {*folder.iterdir()} == before


@pytest.mark.skipif(not can_fork(), reason="this system cannot fork")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_child_processes_end_with_the_replay(
    running: tuple[psutil.Popen, list[psutil.Process]], number: signal.Signals
) -> None:
    parent, children = running
    assert len(children) == 2
    os.kill(parent.pid, number)
    _, alive = psutil.wait_procs([parent, *children], timeout=DEADLINE_S)
    assert not [each for each in alive if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
    assert parent.stderr is not None
    assert parent.stderr.read().strip() == b""


def open_when_read(pipe: str) -> int:
    """Wait until a named pipe has a reader; return it, open for writing."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_replay_leaves_nothing_behind(folder: Path, number: signal.Signals) -> None:
    """The signal goes to the whole process group, as Ctrl-C does."""
    write_lines("day.jsonl", *simulate(SimulatorOptions(jobs=300, report_interval_s=60)))
    os.mkfifo("waiting")
    command = [SOP, "replay", "day.jsonl", "waiting", "--out", "out.jsonl"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True) as parent:
        writer = open_when_read("waiting")  # nothing is written to it, so the replay waits
        assert list(folder.glob(".sop-*"))
        os.killpg(parent.pid, number)
        _, error = parent.communicate(timeout=DEADLINE_S)
    os.close(writer)
    assert (parent.returncode, error.strip()) == (130, b"")
    assert sorted(path.name for path in folder.iterdir()) == ["day.jsonl", "waiting"]
