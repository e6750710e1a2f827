"""`sop worker`: runs a Faust worker."""

import click

from agents.sops.catalogue import POLICIES
from streams.config.settings import settings_from
from streams.process.logs import log_to_stderr
from streams.worker import run


@click.command()
def command() -> None:
    """Consume events, decide and publish until stopped (SIGTERM, Ctrl-C). Environment variables SOP_… configure it."""
    settings = settings_from()
    log_to_stderr(settings.log_level, settings.log_format)
    run(settings, POLICIES.load_all(settings.policies))
