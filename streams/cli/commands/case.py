"""`sop case`: one case, explained."""

import click

from schemas.errors import UsageError
from streams.cli.commands.replay import replay_settings
from streams.cli.options import FILE
from streams.config.settings import settings_from
from streams.replay.case_timeline import case_timeline
from streams.replay.deduplicate import deduplicate
from streams.replay.inputs import KAFKA, read_inputs
from streams.replay.timeline_output import timeline_json, timeline_text
from streams.terminal.printable import printable, printable_json
from streams.terminal.wrapping import show


@click.command()
@click.argument("case_id", metavar="CASE_ID")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="FILE|kafka://…",
    type=FILE,
    help="Read recorded events from here; may be repeated (default: the input topics at SOP_BROKERS).",
)
@click.option("--until", metavar="TIME", help="Show the case as of this time (RFC 3339; default: the last event's).")
@click.option("--policy", metavar="FILE", type=FILE, help="Decide under this policy, whatever its date.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def command(case_id: str, inputs: tuple[str, ...], until: str | None, policy: str | None, as_json: bool) -> None:
    """Show a case as a timeline: its facts, where its partners were, decisions, actions and alerts, with clauses."""
    settings = settings_from()
    replay = replay_settings(settings, policy=policy, until=until)
    names = inputs or (f"{KAFKA}{settings.brokers}/{settings.topic_prefix}",)
    records = enumerate(read_inputs(names, settings))
    unique = deduplicate(records, replay.limits, replay.now, replay.facts_per_case_max)
    timeline = case_timeline(case_id, unique, replay.policies, until=replay.until)
    if timeline is None:
        as_of = "" if until is None else f" up to {until}"
        raise UsageError(f"{case_id}: no event of this case in {', '.join(names)}{as_of}")
    if as_json:
        print(printable_json(timeline_json(timeline)))
        return
    for line in timeline_text(timeline):
        show(printable(line))
