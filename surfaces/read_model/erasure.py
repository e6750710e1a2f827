"""Who was erased, and what is deleted of them (surfaces.md, "Erasure").

Topics are not read in the order in which their records were written, so what was erased stays known, and what comes of
it later is not written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, delete, select

from agents.case.case import NO_LONGER_KEPT
from schemas.codec.encoder import decode_dead_letter
from schemas.outputs import DeadLetter
from surfaces.read_model.tables import (
    alerts,
    erased_cases,
    erased_partners,
    facts,
    lookup,
    messages,
    partners,
    reports,
)
from surfaces.read_model.writing import latest, upsert


class Erasures:
    """The numbers of erased cases, and until when (microseconds) erased partners are forgotten, by id.

    `locations` is the topic of location reports.
    """

    def __init__(self, connection: Connection, locations: str) -> None:
        self.cases: Final = set(connection.scalars(select(erased_cases.c.case_no)))
        query = select(partners.c.partner_id, erased_partners.c.until).join_from(
            erased_partners, partners, erased_partners.c.partner_no == partners.c.partner_no
        )
        self.partners: Final[dict[str, int]] = {row.partner_id: row.until for row in connection.execute(query)}
        self._locations = locations

    def erase_cases(self, connection: Connection, case_nos: set[int]) -> None:
        """Delete the records of cases: facts, messages and dead letters."""
        new = case_nos - self.cases
        self.cases.update(new)
        upsert(connection, erased_cases, [{"case_no": each} for each in new])
        for table in (facts, messages, alerts):
            connection.execute(delete(table).where(table.c.case_no.in_(new)))

    def erase_partners(self, connection: Connection, until: Mapping[str, int], numbers: Mapping[str, int]) -> None:
        """Delete the location reports of partners, given by id, up to an instant, and the refused ones."""
        for partner_id, at in until.items():
            self.partners[partner_id] = max(at, self.partners.get(partner_id, at))
            of_partner = reports.c.partner_no == numbers[partner_id]
            connection.execute(delete(reports).where(of_partner, reports.c.time <= at))
        rows = [{"partner_no": numbers[each], "until": at} for each, at in until.items()]
        upsert(connection, erased_partners, rows, until=latest)
        letters = select(messages.c.seq, messages.c.value).where(
            messages.c.kind == "dead_letter", messages.c.case_no.is_(None)
        )
        for seq, value in connection.execute(letters).all():
            if self._partner_of(decode_dead_letter(value)) in until:
                connection.execute(delete(messages).where(messages.c.seq == seq))

    def covers_report(self, partner_id: str, time: int) -> bool:
        """Return whether a location report of some time (microseconds) is one of an erased partner."""
        return time <= self.partners.get(partner_id, time - 1)

    def covers(self, letter: DeadLetter, published_at: int) -> bool:
        """Return whether a dead letter is one of an erased partner, from before or with a report from before."""
        until = self.partners.get(self._partner_of(letter) or "")
        return until is not None and (letter.reason == NO_LONGER_KEPT or published_at <= until)

    def _partner_of(self, letter: DeadLetter) -> str | None:
        if letter.topic != self._locations:
            return None
        return lookup((letter.key or b"").decode(errors="replace"))
