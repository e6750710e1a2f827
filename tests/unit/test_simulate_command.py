"""`sop simulate` from the command line: its output, its messages, and how it ends."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sop.main import run
from streams.simulator.options import SimulatorOptions
from streams.simulator.simulation import simulate

SOP = str(Path(sys.executable).with_name("sop"))
DEADLINE_S = 60.0
LINES = list(simulate(SimulatorOptions(jobs=3)))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("name", "unpack"), [("day.jsonl", bytes), ("day.jsonl.gz", gzip.decompress)])
def test_the_number_of_events_written_is_reported(
    name: str, unpack: type[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["simulate", "--jobs", "3", "--out", name]) == 0
    assert unpack(Path(name).read_bytes()).splitlines() == LINES
    assert capsys.readouterr().err == f"{len(LINES)} events written to {name}\n"


def test_events_go_to_standard_output_by_default(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(["simulate", "--jobs", "3"]) == 0
    out, err = capfdbinary.readouterr()
    assert out.splitlines() == LINES
    assert err.decode() == f"{len(LINES)} events written to standard output\n"


@pytest.mark.parametrize(("ahead", "status"), [(timedelta(hours=-1), 0), (timedelta(hours=1), 2)])
def test_a_start_in_the_future_is_refused(ahead: timedelta, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    start = (datetime.now(UTC) + ahead).isoformat()  # noqa: TID251 - the command compares it with the clock
    assert run(["simulate", "--jobs", "1", "--start", start, "--out", "day.jsonl"]) == status
    assert (f"sop: --start: {start} is in the future\n" == capsys.readouterr().err) is (status == 2)
    assert Path("day.jsonl").exists() is (status == 0)


def test_the_output_does_not_overwrite_the_trace(capsys: pytest.CaptureFixture[str]) -> None:
    trace = "lat,lng,datetime,uid\n" + "".join(
        f"{39.98 + number / 3_000:.6f},116.3,2008-10-23 05:{number * 3 // 60:02}:{number * 3 % 60:02},1\n"
        for number in range(120)
    )
    Path("trace.csv").write_text(trace, encoding="utf-8")
    assert run(["simulate", "--jobs", "1", "--trace", "trace.csv", "--out", "trace.csv"]) == 2
    assert capsys.readouterr().err == "sop: trace.csv: cannot be written: it is the input trace.csv\n"
    assert Path("trace.csv").read_text(encoding="utf-8") == trace


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_removes_its_partial_file(folder: Path, number: signal.Signals) -> None:
    Path("day.jsonl").write_bytes(b"kept\n")
    with subprocess.Popen([SOP, "simulate", "--jobs", "2000", "--out", "day.jsonl"]) as running:
        try:
            deadline = time.monotonic() + DEADLINE_S
            while not list(folder.glob(".sop-*/*")) and time.monotonic() < deadline:
                time.sleep(0.01)
            os.kill(running.pid, number)
            assert running.wait(DEADLINE_S) == 130
        finally:
            running.kill()
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("day.jsonl", b"kept\n")]
