"""`sop case`: one case, explained."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import click

from agents.sops.statement import statement
from agents.sops.tables.statements import LANGUAGES, Language
from schemas.errors import Fatal, UsageError
from schemas.outputs import AnyDecision
from schemas.timestamps import format_instant
from schemas.topics import LATEST
from sop.commands.replay import replay_settings
from sop.options import FILE
from streams.config.settings import Settings, settings_from
from streams.replay.case_timeline import CaseTimeline, case_timeline
from streams.replay.deduplicate import ERASED, deduplicate
from streams.replay.input_record import InputRecord
from streams.replay.inputs import KAFKA, archive_of, is_archive, read_inputs
from streams.replay.replay import ReplaySettings
from streams.replay.statement_output import statement_text, statements_json
from streams.replay.timeline_output import case_json, latest_text, timeline_text
from streams.terminal.printable import printable, printable_json
from streams.terminal.wrapping import show

if TYPE_CHECKING:
    from streams.replay.latest_decisions import LatestDecision


@click.command()
@click.argument("case_id", metavar="CASE_ID")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="FILE|ARCHIVE|kafka://…",
    type=FILE,
    help="Read recorded events from here; may be repeated (default: the input topics at SOP_BROKERS).",
)
@click.option("--until", metavar="TIME", help="Show the case as of this time (RFC 3339; default: the last event's).")
@click.option("--policy", metavar="FILE", type=FILE, help="Decide under this policy, whatever its date.")
@click.option("--latest", "only_latest", is_flag=True, help="Only the current decisions; read no events (Kafka only).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.option("--statement", "as_statement", is_flag=True, help="Print what the partner is told of each decision.")
@click.option("--language", type=click.Choice(LANGUAGES), help="The language of statements (default: en).")
@click.option("--kind", metavar="KIND", help="Only statements on this kind of decision, as in paf.")
@click.option("--partner", "partner_id", metavar="ID", help="Only statements for this partner.")
def command(
    case_id: str,
    inputs: tuple[str, ...],
    until: str | None,
    policy: str | None,
    only_latest: bool,
    as_json: bool,
    as_statement: bool,
    language: Language | None,
    kind: str | None,
    partner_id: str | None,
) -> None:
    """Show a case as a timeline: its facts, where its partners were, decisions, actions and alerts, with clauses.

    From Kafka it first shows the current decisions, which are in decisions.latest, unless --until or --policy ask for
    others; the timeline follows once all events are read.

    With --statement it prints instead, for each current decision about a partner, what that partner is told: what was
    decided and why, what would change it, and how to contest it, with no data of anybody else.
    """
    if not as_statement and (language, kind, partner_id) != (None, None, None):
        raise click.UsageError("--language, --kind and --partner are about statements: use them with --statement")
    settings = settings_from()
    names = inputs or (f"{KAFKA}{settings.brokers}/{settings.topic_prefix}",)
    is_present = until is None and policy is None
    if only_latest and not (is_present and all(name.startswith(KAFKA) for name in names)):
        raise click.UsageError("--latest shows what Kafka has now: use it without --until, --policy and files")
    replay = replay_settings(settings, names, policy=policy, until=until)
    latest = _latest_decisions(case_id, names, settings) if is_present else None
    if only_latest and not latest:
        raise UsageError(f"{case_id}: no current decision in {LATEST} of {', '.join(names)}")
    if latest is not None and not as_json and not as_statement:
        _show(latest_text([each.message for each in latest]))
    is_enough = only_latest or (as_statement and bool(latest))
    timeline = None if is_enough else _timeline(case_id, names, settings, replay)
    if as_statement:
        decisions = [each.message for each in latest or ()] if timeline is None else timeline.decisions
        _show_statements(case_id, decisions, language or "en", kind, partner_id, as_json=as_json)
    elif as_json:
        values = None if latest is None else [each.value for each in latest]
        print(printable_json(case_json(case_id, timeline, values)))
    elif timeline is not None:
        _show(timeline_text(timeline))


def _show_statements(
    case_id: str,
    decisions: Sequence[AnyDecision],
    language: Language,
    kind: str | None,
    partner_id: str | None,
    *,
    as_json: bool,
) -> None:
    found = [
        (each, made)
        for each in decisions
        if kind in {None, each.body.kind} and partner_id in {None, each.body.partner_id}
        if (made := statement(each.body, each.decision_id, language)) is not None
    ]
    if not found:
        about = (f" of kind {kind}" if kind else "") + (f" about {partner_id}" if partner_id else "")
        raise UsageError(f"{case_id}: no decision{about} has a statement for a partner")
    if as_json:
        print(printable_json(statements_json(case_id, found)))
    else:
        _show(line for _, made in found for line in statement_text(made))


def _latest_decisions(case_id: str, names: Sequence[str], settings: Settings) -> list[LatestDecision] | None:
    """Return the current decisions in the inputs that are Kafka, None if none of these has them or shows them."""
    if not (addresses := [name.removeprefix(KAFKA) for name in names if name.startswith(KAFKA)]):
        return None
    from streams.replay.latest_decisions import read_latest_decisions  # noqa: PLC0415 - the Kafka client is slow to import

    found: list[LatestDecision] | None = None
    for address in addresses:
        try:
            latest = read_latest_decisions(address, settings, case_id)
        except UsageError:
            raise
        except Fatal as error:
            print(printable(f"sop: {error}; the current decisions are not shown"), file=sys.stderr)
            continue
        if latest is not None:
            found = [*(found or ()), *latest]
    return found


def _timeline(case_id: str, names: Sequence[str], settings: Settings, replay: ReplaySettings) -> CaseTimeline:
    """Return the timeline of a case; raises `UsageError` if there is nothing of it, or nothing any more."""
    records = chain.from_iterable(_records(case_id, name, settings) for name in names)
    unique = deduplicate(enumerate(records), replay.limits, replay.now, replay.facts_per_case_max)
    if (timeline := case_timeline(case_id, unique, replay.policies, until=replay.until)) is not None:
        return timeline
    where = ", ".join(names)
    if erased := sum(each.reason == ERASED for each in unique.refused):
        raise UsageError(f"{case_id}: erased: {erased} records in {where} have lost what was personal in them")
    as_of = "" if replay.until is None else f" up to {format_instant(replay.until)}"
    raise UsageError(f"{case_id}: no event of this case in {where}{as_of}")


def _records(case_id: str, name: str, settings: Settings) -> Iterator[InputRecord]:
    """Return the records of an input, of an archive only those that the case needs."""
    if is_archive(name):
        return archive_of(name, settings).records_of_case(case_id, settings.limits)
    return read_inputs([name], settings)


def _show(lines: Iterable[str]) -> None:
    for line in lines:
        show(printable(line))
    sys.stdout.flush()
