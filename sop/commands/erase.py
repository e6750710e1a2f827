"""`sop erase`: makes everything that is kept forget a person."""

import asyncio
import getpass
from collections.abc import Sequence
from contextlib import suppress

import click

from agents.sops import catalogue
from schemas.codec.schema_ids import SchemaIds
from schemas.errors import Fatal, Unavailable, UsageError
from schemas.outputs import Act
from streams.config.settings import Settings, settings_from
from streams.kafka.connection import KafkaConnection, connect_kafka
from streams.kafka.single_record import prepare_topic
from streams.kafka.topic_setup import topic_targets
from streams.operations.erasure import tombstones, write_tombstones
from streams.process.clock import SystemClock
from streams.process.extras import extra
from streams.terminal.printable import printable
from surfaces.console.kafka import KafkaActs

with extra("audit", "an erasure"):
    from streams.operations.cases_of_person import cases_in_kafka
    from streams.sealing.people import is_customer
    from streams.sealing.person_keys import NEVER, PersonKeys, person_keys

ADDRESS = "sop erase"
"""Where such an act comes from."""
ACT = "erase"


@click.command()
@click.argument("person", metavar="customer:ID|partner:ID")
@click.option("--case", "case_ids", multiple=True, metavar="ID", help="A case of this person; may be repeated.")
@click.option("--why", required=True, metavar="TEXT", help="Why: for the record in audit.acts, without personal data.")
def command(person: str, case_ids: tuple[str, ...], why: str) -> int:
    """Erase a person from state, read model and archive: write tombstones, then destroy the keys of the archive.

    Which cases have data of the person is known from the archive's keys (SOP_AUDIT_PERSON_KEYS) and, for what is not in
    the archive yet, from Kafka; --case names more. It can be run again. Kafka's topics forget by their retention.
    """
    kind, _, name = person.partition(":")
    if kind not in {"customer", "partner"} or not name.strip():
        raise click.UsageError("name whom to erase: customer:ID or partner:ID")
    settings, now = settings_from(), SystemClock().now_us()
    person = f"{kind}:{name.strip()}"
    connection = connect_kafka(settings)
    with person_keys(settings) as keys:
        cases = sorted({*_cases(connection, settings, keys, person), *case_ids})
        if is_customer(person) and not cases:
            if keys is not None and keys.erased_until(person) > NEVER:
                print(printable(f"{person}: erased already; no case has come since"))
                return 0
            raise UsageError(f"{person}: no case of this customer is known: name them with --case")
        partner_id = None if is_customer(person) else name.strip()
        try:
            asyncio.run(_write(connection, settings, cases, partner_id, why, now))
        except Unavailable as error:
            raise UsageError(str(error)) from error
        _destroy(keys, person, cases, now)
    return 0


def _cases(connection: KafkaConnection, settings: Settings, keys: PersonKeys | None, person: str) -> set[str]:
    """Return the cases that have data of a person, as the keys say and what Kafka has behind the archive."""
    positions = {} if keys is None else keys.positions()  # before the cases: those archived meanwhile are in both
    known = () if keys is None else keys.cases_of(person)
    try:
        topics = catalogue.topics(settings.topic_prefix)
        return {*known, *asyncio.run(cases_in_kafka(connection, topics, person, positions))}
    except Fatal as error:
        raise UsageError(str(error)) from error


async def _write(
    connection: KafkaConnection, settings: Settings, cases: Sequence[str], partner_id: str | None, why: str, now: int
) -> None:
    topics = catalogue.topics(settings.topic_prefix)
    if reason := await prepare_topic(connection, topics, topic_targets(settings), topics.acts):
        raise UsageError(f"{topics.acts}: {reason}")
    acts = KafkaActs(connection, topics.acts, SchemaIds(settings.schema_base_url))
    act = Act(who=_user(), address=ADDRESS, what=ACT, why=why)
    for subject in (*cases, *(() if partner_id is None else (partner_id,))):
        await acts.write(act, subject, now)
    written = tombstones(topics, cases, partner_id, now)
    await write_tombstones(connection, written)
    for each in written:
        print(printable(f"{each.topic}: tombstone of {each.subject}"))


def _destroy(keys: PersonKeys | None, person: str, cases: Sequence[str], now: int) -> None:
    if keys is None:
        print("no keys destroyed: SOP_AUDIT_MASTER_KEY_FILE and SOP_AUDIT_PERSON_KEYS are not set")
    else:
        print(f"{keys.erase(person, cases, now // 1000)} keys destroyed")


def _user() -> str:
    with suppress(KeyError, OSError):
        return getpass.getuser()
    return "unknown"
