"""Who was erased, and what is deleted of them (surfaces.md, "Erasure").

Topics are not read in the order in which their records were written, so what was erased stays known, and what comes of
it later is not written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, delete, func, select

from agents.case.case import NO_LONGER_KEPT
from schemas.codec.encoder import decode_dead_letter
from schemas.outputs import DeadLetter
from surfaces.read_model.counts import Counts
from surfaces.read_model.tables import (
    IS_OPEN,
    actions,
    alerts,
    erased_cases,
    erased_partners,
    facts,
    is_kind,
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
        cases = {row.case_no: row.at for row in connection.execute(select(erased_cases))}
        self.cases: Final = set(cases)
        query = select(partners.c.partner_id, erased_partners.c.until).join_from(
            erased_partners, partners, erased_partners.c.partner_no == partners.c.partner_no
        )
        self.partners: Final[dict[str, int]] = {row.partner_id: row.until for row in connection.execute(query)}
        self._locations = locations
        self._latest = max((*cases.values(), *self.partners.values()), default=-1)
        """When somebody was erased last (microseconds); -1 if nobody was."""

    def erase_cases(self, connection: Connection, at: Mapping[int, int]) -> None:
        """Delete the records of cases, given with when they were erased: facts, messages and dead letters.

        Their open actions go too: nothing will ever close them.
        """
        new = at.keys() - self.cases
        self.cases.update(new)
        upsert(connection, erased_cases, [{"case_no": each, "at": at[each]} for each in new])
        counts = Counts()
        refused = (is_kind("dead_letter"), messages.c.case_no.in_(new))
        opened = (IS_OPEN, actions.c.case_no.in_(new))
        for field, name, gone in (("cause", messages.c.name, refused), ("action", actions.c.code, opened)):
            query = select(name, func.count()).where(*gone).group_by(name)
            for value, count in connection.execute(query).all():
                counts.change(field, value, -count)
        counts.write(connection)
        connection.execute(delete(actions).where(*opened))
        for table in (facts, messages, alerts):
            connection.execute(delete(table).where(table.c.case_no.in_(new)))
        self._delete_letters(connection, max(at.values()))

    def erase_partners(self, connection: Connection, until: Mapping[str, int], numbers: Mapping[str, int]) -> None:
        """Delete the location reports of partners, given by id, up to an instant, and the refused ones."""
        for partner_id, at in until.items():
            self.partners[partner_id] = max(at, self.partners.get(partner_id, at))
            of_partner = reports.c.partner_no == numbers[partner_id]
            connection.execute(delete(reports).where(of_partner, reports.c.time <= at))
        rows = [{"partner_no": numbers[each], "until": at} for each, at in until.items()]
        upsert(connection, erased_partners, rows, until=latest)
        self._delete_letters(connection, max(until.values()))

    def covers_report(self, partner_id: str, time: int) -> bool:
        """Return whether a location report of some time (microseconds) is one of an erased partner."""
        return time <= self.partners.get(partner_id, time - 1)

    def covers(self, letter: DeadLetter, published_at: int) -> bool:
        """Return whether a dead letter without a case is of somebody who was erased after it, or may be.

        A report from before the erasure of its partner may be refused later.
        """
        partner_id = self._partner_of(letter)
        until = self._latest if partner_id is None else self.partners.get(partner_id, -1)
        return published_at <= until or (partner_id in self.partners and letter.reason == NO_LONGER_KEPT)

    def _delete_letters(self, connection: Connection, at: int) -> None:
        """Delete the dead letters without a case that are of erased partners, or of nobody who is known."""
        self._latest = max(at, self._latest)
        counts, letters = Counts(), select(messages).where(is_kind("dead_letter"), messages.c.case_no.is_(None))
        for row in connection.execute(letters).all():
            if self.covers(decode_dead_letter(row.value), row.published_at):
                connection.execute(delete(messages).where(messages.c.seq == row.seq))
                counts.change("cause", row.name, -1)
        counts.write(connection)

    def _partner_of(self, letter: DeadLetter) -> str | None:
        """Return the partner whose report was refused, None if no key says so."""
        key = (letter.key or b"").decode(errors="replace").strip()
        return lookup(key) if key and letter.topic == self._locations else None
