"""What the console can ask of the read model (surfaces.md, "Read model")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from surfaces.read_model.positions import ReadPosition
from surfaces.read_model.views import (
    ActPage,
    CaseFilter,
    CasePage,
    CaseRecords,
    Cause,
    Changes,
    DeadLetterPage,
    Facets,
    Found,
    Overview,
    PartnerRecords,
    PolicySeen,
    StoredDeadLetter,
    StoredRecord,
)


class ReadModel(Protocol):
    """Answers questions about what was read so far, each from one moment. Any thread may ask.

    An invalid page key raises `schemas.errors.UsageError`. If the database fails, `schemas.errors.Unavailable` is
    raised.
    """

    def overview(self, now: int, *, hours: int = 24, rows: int = 50) -> Overview:
        """Return the overview at an instant: counts of so many hours, and so many rows of each list."""

    def changes(self, after: int, *, limit: int = 200) -> Changes:
        """Return the rows written after the number `after`, facts aside."""

    def cases(self, wanted: CaseFilter, *, before: str | None = None, limit: int = 50) -> CasePage:
        """Return a page of the cases that a filter selects and that have messages."""

    def facets(self) -> Facets:
        """Return the choices for the filters."""

    def find(self, text: str, *, limit: int = 20) -> Sequence[Found]:
        """Return what has the id `text`, first, and what has an id that begins with it."""

    def case(self, case_id: str) -> CaseRecords | None:
        """Return everything that is stored of a case, None if there is nothing."""

    def partner(self, partner_id: str, *, before: str | None = None, limit: int = 50) -> PartnerRecords | None:
        """Return a partner with a page of engagements, the latest first; None if nothing names the partner."""

    def causes(self) -> Sequence[Cause]:
        """Return why records were refused, the most frequent cause first."""

    def dead_letters(self, *, cause: str | None = None, before: str | None = None, limit: int = 50) -> DeadLetterPage:
        """Return a page of refused records, of one cause or of all."""

    def dead_letter(self, place: str) -> StoredDeadLetter | None:
        """Return a refused record by the place of its dead letter, `topic-partition@offset`."""

    def policies(self) -> Sequence[PolicySeen]:
        """Return the policies under which decisions were made, the latest first."""

    def published_policies(self) -> tuple[StoredRecord, ...]:
        """Return the records of the topic of policies, in their order; of one that was created again, since then."""

    def acts(self, *, before: str | None = None, limit: int = 50) -> ActPage:
        """Return a page of what was done in the console."""

    def positions(self) -> Sequence[ReadPosition]:
        """Return how far each partition was read, by name."""
