"""`sop console`: shows the decisions to people, as web pages."""

import click

from streams.config.settings import settings_from
from streams.process.extras import extra
from streams.process.logs import log_to_stderr
from streams.process.signals import StopSignals


@click.command()
@click.pass_obj
def command(stop_signals: StopSignals) -> None:
    """Serve the web console at SOP_CONSOLE_LISTEN until stopped (SIGTERM, Ctrl-C).

    It reads the topics at SOP_BROKERS with SOP_TOPIC_PREFIX into a database of its own: SOP_DATABASE_URL, or SQLite in
    SOP_DATA_DIR. On this machine anybody may read; acting and personal data need a token (SOP_CONSOLE_TOKENS_FILE).
    """
    with extra("console", "the console"):
        from surfaces.console.process import run_console  # noqa: PLC0415 - belongs to the extra `console`
    settings = settings_from()
    log_to_stderr(settings.log_level, settings.log_format)
    run_console(settings, stop_signals, lambda address: print(f"the console is at {address}", flush=True))
