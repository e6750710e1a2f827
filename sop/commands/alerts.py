"""`sop alerts`: passes alerts on to those who act on them."""

import click

from schemas.topics import ALERTS
from sop.groups import SuggestingGroup
from streams.config.settings import settings_from
from streams.process.logs import log_to_stderr
from streams.process.signals import StopSignals
from surfaces.alert_forwarder.forwarder import forward as forward_alerts
from surfaces.alert_forwarder.receivers import receivers_from


@click.group(cls=SuggestingGroup)
def command() -> None:
    """Forward alerts, from the topic alerts at SOP_BROKERS with SOP_TOPIC_PREFIX."""


@command.command(name="forward")
@click.option(
    "--alertmanager",
    "alertmanagers",
    metavar="URL",
    multiple=True,
    help="Keep this Alertmanager in step; repeat it for each one of a cluster (default: SOP_ALERTMANAGERS).",
)
@click.option(
    "--webhook",
    "webhooks",
    metavar="URL FILE",
    nargs=2,
    multiple=True,
    help="Send to this webhook, signed with the secrets in FILE (whsec_…, one a line); may be repeated "
    "(default: SOP_WEBHOOKS).",
)
@click.pass_obj
def forward(stop_signals: StopSignals, alertmanagers: tuple[str, ...], webhooks: tuple[tuple[str, str], ...]) -> None:
    """Keep Alertmanagers and webhooks in step with what fires, until stopped (SIGTERM, Ctrl-C).

    What each receiver has got is kept in SOP_DATA_DIR, so a restart neither loses nor repeats a message.
    """
    settings = settings_from()
    receivers = receivers_from(settings, alertmanagers, webhooks)
    log_to_stderr(settings.log_level, settings.log_format)
    forward_alerts(settings, f"{settings.topic_prefix}{ALERTS}", receivers, stop_signals)
