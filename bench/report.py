"""Writes the page of results: tables of medians with their spread, and plots."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import matplotlib as mpl

mpl.use("svg")

import matplotlib.pyplot as plt

from bench.contestants import BARE, FULL, LIGHT, OURS, Contestant
from bench.rounds import Row

mpl.rcParams["svg.hashsalt"] = "performance"  # so that the same results give the same file
GREY: Final = "#9aa5b1"
OUR_COLOUR: Final = "#1f6f8b"


FINDINGS: Final = Path(__file__).with_name("findings.md")
"""What profiles showed; written by hand."""
METHOD: Final = (
    "Every round runs each runtime once, one after the other, with one broker on the same cores. Figures are "
    "medians over the rounds, with minimum and maximum in brackets. Rates and CPU leave out start-up and the first "
    "tenth of the events. CPU is that of the runtime's process, without broker and Redis. Decisions are counted "
    "after the run by a `read_committed` consumer."
)
TRIAL: Final = "**A trial run with few events and one round: these figures are meaningless.**"
LIGHT_TEXT: Final = (
    "## The light job\n\nA few microseconds of work per event, with state per job and a decision for every tenth "
    "event. It shows what the runtime itself costs."
)
FULL_TEXT: Final = (
    "## The full job\n\nAll rules and the location join on a simulated day. The loops decide at once with what they "
    "have read so far and store nothing. The worker waits for presence answers and stores everything, so the "
    "numbers of messages differ."
)
LATENCY_TEXT: Final = (
    "## Latency\n\nMilliseconds from producing an event to reading its decision (`read_committed`), for the light "
    "job at a fixed rate. Producers linger for 5 ms. The first line is the event itself, read back with no runtime "
    "in between."
)
REPLAY_TEXT: Final = "## The rules alone\n\n`sop replay` of the simulated day, including start-up, reading and writing."
GROWTH_TEXT: Final = (
    "## Growth\n\nThe cost of one more fact for cases with an open claim, decided at once, as open cases and "
    "histories grow. Each step that adds facts to a case sorts all facts of that case again."
)
SCALE_TEXT: Final = (
    "## Recovery with many open cases\n\nA worker processes cases with an open claim, three events each, and is "
    "killed. Some cases get new events, then a second worker starts, and is killed too. A third one starts without "
    "Redis. The table shows the seconds from the start of each process to its first decision and until it has "
    "caught up, including the session timeout of the killed one (6 s)."
)
FLAT_TEXT: Final = (
    "## Memory over time\n\nOne simulated day after another, always with new cases, at most 500 cached cases per "
    "partition. The slope leaves out the first two fifths of the time, in which the cache fills."
)
SCALING_TEXT: Final = (
    "## Partitions and workers\n\nThe light job on our runtime with checkpoints in memory. All workers share the "
    "cores with the broker."
)


def write_page(folder: Path) -> None:
    """Read `performance.json` in a folder; write `performance.md` and its plots beside it."""
    results = json.loads((folder / "performance.json").read_text())
    rows: list[Row] = results["rows"]
    sections = [_head(results)]
    for make in (_light, _full, _latency, _replay, _growth, _scaling, _scale, _flat):
        sections += make(rows, folder)
    sections.append(FINDINGS.read_text().rstrip())
    (folder / "performance.md").write_text("\n\n".join(filter(None, sections)) + "\n")


def _head(results: dict[str, Any]) -> str:
    machine = results["machine"]
    where = (
        f"Measured by `make bench` on {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"Python {machine['python']}, {machine['system']}."
    )
    return "\n\n".join(["# Performance", *([TRIAL] if results["quick"] else []), f"{where} {METHOD}"])


def _light(rows: Sequence[Row], folder: Path) -> list[str]:
    mine = _of(rows, "light")
    if not mine:
        return []
    _bars(mine, [each.name for each in LIGHT], "events a second", folder / "performance-light.svg")
    return [
        LIGHT_TEXT,
        _contest(mine, LIGHT, BARE),
        "![events a second of the light job](performance-light.svg)",
        _notes(mine),
    ]


def _full(rows: Sequence[Row], folder: Path) -> list[str]:
    mine = _of(rows, "full")
    if not mine:
        return []
    _bars(mine, [each.name for each in FULL], "events a second", folder / "performance-full.svg")
    return [
        FULL_TEXT,
        _contest(mine, FULL, FULL[0].name),
        "![events a second of the full job](performance-full.svg)",
        _notes(mine),
    ]


def _contest(rows: Sequence[Row], contestants: Sequence[Contestant], base: str) -> str:
    """Return the table of a job; each ratio is to the base's run in the same round."""
    bases = {row["round"]: row["rate"] for row in rows if row["name"] == base and "rate" in row}
    lines = [
        ["runtime", "durable state", "effect", "events/s", "of the bare loop", "CPU s per M", "peak MB", "correct"]
    ]
    for each in contestants:
        runs = [row for row in rows if row["name"] == each.name and "rate" in row]
        if not runs:
            continue
        ratios = [run["rate"] / bases[run["round"]] for run in runs if run["round"] in bases]
        correct = sum(run["committed"] == run["decisions"] for run in runs)
        lines.append(
            [
                f"**{each.name}**" if _is_ours(each.name) else each.name,
                each.durable,
                each.effect,
                _spread([run["rate"] for run in runs], "{:,.0f}"),
                _spread(ratios, "{:.2f}") if ratios else "",
                _spread([run["cpu_s"] for run in runs], "{:.1f}"),
                f"{median(run['rss_mb'] for run in runs):,.0f}",
                f"{correct} of {len(runs)}",
            ]
        )
    return _table(lines)


def _notes(rows: Sequence[Row]) -> str:
    skipped = [f"{row['name']}: left out, {row['skipped']}." for row in rows if "skipped" in row]
    failed = [f"{row['name']}, round {row['round']}: failed." for row in rows if "error" in row]
    return " ".join(skipped + failed)


def _latency(rows: Sequence[Row], folder: Path) -> list[str]:
    mine = [row for row in _of(rows, "latency") if "p99" in row]
    if not mine:
        return []
    rates = sorted({row["rate"] for row in mine})
    lines = [["runtime", *(f"{q} at {rate:,}/s" for rate in rates for q in ("p50", "p99"))]]
    figure, axes = plt.subplots(figsize=(8, 3.5))
    for index, name in enumerate(dict.fromkeys(row["name"] for row in mine)):
        cells = []
        for rate in rates:
            runs = [row for row in mine if (row["name"], row["rate"]) == (name, rate)]
            cells += [_spread([run[q] for run in runs], "{:.0f}") for q in ("p50", "p99")]
        lines.append([f"**{name}**" if _is_ours(name) else name, *cells])
        high = [median(row["p99"] for row in mine if (row["name"], row["rate"]) == (name, rate)) for rate in rates]
        axes.plot(
            [f"{rate:,}/s" for rate in rates],
            high,
            marker="o",
            label=name,
            color=OUR_COLOUR if _is_ours(name) else f"C{index}",
        )
    axes.set_ylabel("p99, milliseconds")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize="small")
    _save(figure, folder / "performance-latency.svg")
    return [
        LATENCY_TEXT,
        _table(lines),
        "![99th percentile of latency](performance-latency.svg)",
    ]


def _replay(rows: Sequence[Row], folder: Path) -> list[str]:  # noqa: ARG001 - no plot
    mine = _of(rows, "replay")
    if not mine:
        return []
    live = [row["rate"] for row in _of(rows, "full") if row["name"] == "sop worker" and "rate" in row]
    lines = [["", "events/s", "of the live worker"]]
    for name in dict.fromkeys(row["name"] for row in mine):
        rates = [row["rate"] for row in mine if row["name"] == name]
        lines.append([name, _spread(rates, "{:,.0f}"), f"{median(rates) / median(live):.1f}" if live else ""])
    return [REPLAY_TEXT, _table(lines)]


def _growth(rows: Sequence[Row], folder: Path) -> list[str]:
    mine = [row for row in _of(rows, "growth") if "event_us" in row]
    if not mine:
        return []
    names = [
        "",
        "cases",
        "facts each",
        "store",
        "CPU µs per further fact",
        "peak MB",
        "bytes per stored case",
        "bytes per report",
    ]
    lines = [names] + [
        [
            row["name"],
            f"{row['cases']:,}",
            str(row["facts"]),
            "Redis" if row["redis"] else "memory",
            f"{row['event_us']:.0f}",
            f"{row['rss_mb']:,.0f}",
            f"{row['case_bytes']:,}",
            f"{row['report_bytes']:.0f}",
        ]
        for row in mine
    ]
    figure, panes = plt.subplots(1, 2, figsize=(8, 3.5))
    for pane, name, along in zip(panes, ("open cases", "facts of a case"), ("cases", "facts"), strict=True):
        for store in (False, True):
            line = [row for row in mine if row["name"] == name and row["redis"] == store]
            if line:
                label = "Redis" if store else "memory"
                pane.plot([row[along] for row in line], [row["event_us"] for row in line], marker="o", label=label)
        pane.set_xscale("log")
        pane.set_ylim(bottom=0)
        pane.set_xlabel(name)
        pane.set_ylabel("CPU µs per further fact")
        pane.legend(fontsize="small")
    _save(figure, folder / "performance-growth.svg")
    return [
        GROWTH_TEXT,
        _table(lines),
        "![cost of a fact as cases and histories grow](performance-growth.svg)",
    ]


def _scaling(rows: Sequence[Row], folder: Path) -> list[str]:  # noqa: ARG001 - no plot
    mine = [row for row in _of(rows, "scaling") if "rate" in row]
    lines = [["partitions", "workers", "events/s"]]
    lines += [[str(row["partitions"]), str(row["workers"]), f"{row['rate']:,.0f}"] for row in mine]
    return [SCALING_TEXT, _table(lines)] if mine else []


def _scale(rows: Sequence[Row], folder: Path) -> list[str]:  # noqa: ARG001 - no plot
    mine = _of(rows, "scale")
    lines = [["open cases", "worker", "first decision, s", "caught up, s", "peak MB", "Redis MB", "bytes per case"]]
    for row in mine:
        redis_mb = row.get("redis_mb")
        lines.append(
            [
                f"{row['cases']:,}",
                row["name"],
                "" if row["first_s"] is None else f"{row['first_s']:.1f}",
                f"{row['lag_s']:.1f}",
                f"{row['rss_mb']:,.0f}",
                "" if redis_mb is None else f"{redis_mb:,.0f}",
                "" if redis_mb is None else f"{redis_mb * 2**20 / row['cases']:,.0f}",
            ]
        )
    return [SCALE_TEXT, _table(lines)] if mine else []


def _flat(rows: Sequence[Row], folder: Path) -> list[str]:
    mine = _of(rows, "flat")
    if not mine:
        return []
    row = mine[-1]
    figure, axes = plt.subplots(figsize=(8, 2.5))
    axes.plot([10 * (index + 1) / 60 for index in range(len(row["rss_mb"]))], row["rss_mb"], color=OUR_COLOUR)
    axes.set_xlabel("minutes")
    axes.set_ylabel("resident MB")
    axes.set_ylim(bottom=0)
    _save(figure, folder / "performance-flat.svg")
    summary = (
        f"{row['events']:,} events at {row['rate']:,} per second: {row['slope_mb_per_min']:+.2f} MB per minute, "
        f"at most {max(row['rss_mb']):,.0f} MB; at most {max(row['behind']):,} events behind."
    )
    return [FLAT_TEXT, summary, "![resident memory](performance-flat.svg)"]


def _of(rows: Iterable[Row], job: str) -> list[Row]:
    return [row for row in rows if row["job"] == job]


def _is_ours(name: str) -> bool:
    return name.startswith("sop") or name == OURS


def _spread(values: Sequence[float], form: str) -> str:
    """Return the median with minimum and maximum."""
    middle = form.format(median(values))
    return middle if len(values) == 1 else f"{middle} ({form.format(min(values))}-{form.format(max(values))})"


def _table(lines: Sequence[Sequence[str]]) -> str:
    rows = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([rows[0], "|" + " --- |" * len(lines[0]), *rows[1:]])


def _bars(rows: Sequence[Row], names: Sequence[str], label: str, path: Path) -> None:
    """Draw a bar for each runtime: the median, with the spread as an error bar."""
    runs = {name: [row["rate"] for row in rows if row["name"] == name and "rate" in row] for name in reversed(names)}
    runs = {name: rates for name, rates in runs.items() if rates}
    middles = [median(rates) for rates in runs.values()]
    bound: Callable[[Callable[[list[float]], float]], list[float]] = lambda pick: [pick(r) for r in runs.values()]  # noqa: E731
    errors = [
        [middle - least for middle, least in zip(middles, bound(min), strict=True)],
        [most - middle for middle, most in zip(middles, bound(max), strict=True)],
    ]
    figure, axes = plt.subplots(figsize=(8, 0.5 * len(runs) + 1))
    axes.barh(list(runs), middles, xerr=errors, color=[OUR_COLOUR if _is_ours(name) else GREY for name in runs])
    axes.set_xlabel(label)
    axes.xaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:,.0f}"))
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    write_page(Path(sys.argv[1]))
