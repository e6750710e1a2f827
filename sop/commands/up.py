"""`sop up`: runs everything on this machine."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from sop.options import FILE, seconds
from streams.demo.live_view import LiveView, ProgressLine
from streams.process.signals import StopSignals


@click.command()
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Keep Kafka's data in this folder (default: a temporary one).",
)
@click.option(
    "--duration",
    metavar="DURATION",
    type=seconds,
    help="Stop this long after the first event (such as 90m, or 30 for seconds).",
)
@click.option(
    "--input",
    "input_file",
    metavar="FILE",
    type=FILE,
    help="Send the events of this file (JSON Lines, .gz and .zst too) instead of samples.",
)
@click.option("--brokers", metavar="HOST:PORT", help="Use a running Kafka instead of an embedded one.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print every message as one line of JSON, and nothing else, on standard output.",
)
@click.option("--jobs", type=int, default=1000, show_default=True, help="Number of jobs in the sample day.")
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Which sample day: the same seed gives the same day."
)
@click.option(
    "--speed",
    metavar="EVENTS",
    type=click.FloatRange(min=0, min_open=True),
    default=100.0,
    show_default=True,
    help="Events sent per second.",
)
@click.pass_obj
def command(stop_signals: StopSignals, /, *, as_json: bool, **options: Any) -> int:
    """Run Kafka, a worker, the web console and a stream of sample events; show the decisions as they come."""
    live_view = LiveView(Console(highlight=False), as_json=as_json)
    progress = ProgressLine(live_view.print_line)
    click.get_current_context().call_on_close(progress.clear)
    progress.show("loading")
    from streams.demo import demo, session  # noqa: PLC0415 - the Kafka clients are slow to import

    return demo.run_demo(session.DemoOptions(**options), live_view, progress, stop_signals)
