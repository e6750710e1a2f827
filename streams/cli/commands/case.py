"""`sop case`: one case, explained."""

from __future__ import annotations

from dataclasses import replace

import click

from schemas.errors import UsageError
from schemas.policy.document import load_policies, load_policy
from schemas.policy.model import PolicySet
from streams.cli.inputs import KAFKA, instant, present_unless, recorded
from streams.cli.options import FILE
from streams.config.settings import settings_from
from streams.replay.case_timeline import case_timeline, refused_of
from streams.replay.records import deduplicate
from streams.replay.timeline_output import document, told
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
    help="Where the events are recorded; may be repeated (default: the input topics of SOP_BROKERS).",
)
@click.option("--until", metavar="TIME", help="As of when (RFC 3339; default: the last event's time).")
@click.option("--policy", metavar="FILE", type=FILE, help="Decide under this policy, whatever its date.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def command(case_id: str, inputs: tuple[str, ...], until: str | None, policy: str | None, as_json: bool) -> None:
    """Tell a case's facts, whereabouts, decisions, actions and alerts in the order of their times, clause by clause."""
    settings = settings_from()
    end = None if until is None else instant("--until", until)
    policies = PolicySet([], load_policy(policy)) if policy else load_policies(settings.policies)
    names = inputs or (f"{KAFKA}{settings.brokers}/{settings.topic_prefix}",)
    records = enumerate(recorded(names, settings))
    settled = deduplicate(records, settings.limits, present_unless(end), settings.facts_per_case_max)
    story = case_timeline(case_id, settled.events, policies, until=end)
    if story is None:
        as_of = "" if until is None else f" up to {until}"
        raise UsageError(f"{case_id}: no event of this case in {', '.join(names)}{as_of}")
    story = replace(story, refused=refused_of(case_id, settled.refused))
    if as_json:
        print(printable_json(document(story)))
        return
    for line in told(story):
        show(printable(line))
