"""Counts that are kept with the rows, so that no page has to scan: values that occur now, and messages by hour."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import Connection

from schemas.policy.model import HOUR
from surfaces.read_model.tables import facets, hour_counts
from surfaces.read_model.writing import added, upsert


@dataclass(slots=True)
class Counts:
    """Collects the differences that a batch makes."""

    _facets: Counter[tuple[str, str]] = field(default_factory=Counter)
    _hours: Counter[tuple[int, str, str, str]] = field(default_factory=Counter)

    def change(self, name: str, value: str | None, by: int) -> None:
        """Count a value of a field once more or less; None is no value."""
        if value is not None:
            self._facets[name, value] += by

    def add_message(self, kind: str, name: str, outcome: str, published_at: int) -> None:
        """Count a message in its hour; `published_at` is in microseconds."""
        self._hours[published_at // HOUR * HOUR, kind, name, outcome] += 1
        if kind == "dead_letter":
            self.change("cause", name, 1)

    def write(self, connection: Connection) -> None:
        """Write the differences."""
        rows: list[dict[str, object]] = [
            {"field": name, "value": value, "occurrences": count}
            for (name, value), count in self._facets.items()
            if count
        ]
        upsert(connection, facets, rows, occurrences=added)
        rows = [
            {"hour": hour, "kind": kind, "name": name, "outcome": outcome, "occurrences": count}
            for (hour, kind, name, outcome), count in self._hours.items()
        ]
        upsert(connection, hour_counts, rows, occurrences=added)
