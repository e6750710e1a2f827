"""A replay of many malformed lines and a very large one keeps each, exact to the byte, in bounded memory."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from schemas.codec.limits import TRUNCATED_BYTES, Limits
from streams.simulator.rng import Rng
from tests.faults.conftest import KnownStream, Report
from tests.faults.scale import Scale, scale
from tests.faults.test_input import corrupted
from tests.zygote import SOP

COUNTS = scale()
POLL_S = 0.02
MIB = 1024 * 1024
LARGE_BYTES = 10_000_000
REPLAY_S = 120.0 + COUNTS.lines / 2_000
BASE_MIB = 300
KIB_PER_LINE = 4

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120 + REPLAY_S)]


def test_a_replay_keeps_malformed_and_very_large_lines_in_bounded_memory(
    short: KnownStream, run_scale: Scale, report: Report, tmp_path: Path
) -> None:
    rng = Rng("scale", run_scale.seed)
    good = list(short.stream.lines())
    wanted: Counter[bytes] = Counter()
    with (tmp_path / "in.jsonl").open("wb") as file:
        for line in fuzz(rng, good, run_scale.lines):
            wanted[digest(line)] += 1
            file.write(line + b"\n")
    out = tmp_path / "out.jsonl"
    printed, peak = run([SOP, "replay", tmp_path / "in.jsonl", "--out", out], tmp_path / "output")
    kept = Counter(refused(out))
    lost = {"lost": sum(kept[each] > wanted[each] for each in kept)}
    metrics: dict[str, object] = {"dead letters, exact to the byte": kept.total(), "peak MiB": peak // MIB}
    report.write("F13 lines of fuzz and one of 10 MB, replayed", run_scale.lines, run_scale.lines, lost, metrics)
    events, duplicates, dead_letters = map(int, re.findall(r"\d+", printed)[:3])
    assert (events + duplicates + dead_letters, dead_letters) == (run_scale.lines + 1, kept.total())
    assert lost == {"lost": 0}
    assert kept[digest(large())] == 1
    assert kept.total() > run_scale.lines // 2
    assert peak < BASE_MIB * MIB + run_scale.lines * KIB_PER_LINE * 1024


def fuzz(rng: Rng, good: list[bytes], lines: int) -> Iterator[bytes]:
    """Yield malformed lines, some valid ones, and a very large one in the middle."""
    for number in range(lines):
        if number == lines // 2:
            yield large()
        line = rng.pick(good)
        yield line if number % 10 == 0 else corrupted(rng, line)


def large() -> bytes:
    return b'{"specversion":"1.0","id":"' + b"x" * LARGE_BYTES + b'"}'


def digest(line: bytes) -> bytes:
    """Return a digest of what a dead letter contains of a line: only the beginning if it is too long."""
    if len(line) > Limits().value_bytes:
        line = line[:TRUNCATED_BYTES]
    return hashlib.blake2b(line, digest_size=16).digest()


def run(command: list[str | Path], output: Path) -> tuple[str, int]:
    """Run a command; return its output, and the peak memory of it and its children in bytes."""
    with output.open("wb") as file:
        process = psutil.Popen(command, stdout=file, stderr=file)
        peak, deadline = 0, time.monotonic() + REPLAY_S
        while process.poll() is None:
            assert time.monotonic() < deadline, output.read_text()
            peak = max(peak, memory(process))
            time.sleep(POLL_S)
    assert process.returncode == 0, output.read_text()
    return output.read_text(), peak


def memory(process: psutil.Popen) -> int:
    try:
        return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))
    except psutil.NoSuchProcess:
        return 0


def refused(out: Path) -> Iterator[bytes]:
    """Yield the digest of every record in a replay's dead letters."""
    with out.open("rb") as lines:
        for line in lines:
            if b'"type":"dead-letter"' in line:
                yield digest(base64.b64decode(json.loads(line)["data"]["value"]))
