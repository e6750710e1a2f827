"""What a command reads: recorded events by name, instants by option."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from schemas.errors import UsageError
from schemas.timestamps import parse_instant
from streams.config.settings import Settings
from streams.files.reading import STANDARD
from streams.process.clock import SystemClock
from streams.replay.records import InputRecord, read_file

KAFKA = "kafka://"


def recorded(names: Iterable[str], settings: Settings) -> Iterator[InputRecord]:
    """Yield what inputs hold, one after the other: JSON Lines files (`-`: standard input), `kafka://HOST:PORT[/PREFIX]`.

    Raises `UsageError` for one that cannot be read.
    """
    return itertools.chain.from_iterable(_one(name, number, settings) for number, name in enumerate(names, 1))


class Rereadable:
    """What inputs hold, to be gone through several times: files are read anew, what is no file is kept.

    Raises `UsageError` for one that cannot be read, when it is read.
    """

    def __init__(self, names: Iterable[str], settings: Settings) -> None:
        """Take names as `recorded` does; what is no file is read here."""
        self._inputs = [
            _File(name, number, settings)
            if name != STANDARD and Path(name).is_file()
            else list(_one(name, number, settings))
            for number, name in enumerate(names, 1)
        ]

    def __iter__(self) -> Iterator[InputRecord]:
        """Yield the records of all inputs, one after the other."""
        return itertools.chain.from_iterable(self._inputs)


class _File:
    def __init__(self, path: str, number: int, settings: Settings) -> None:
        self._path = path
        self._number = number
        self._settings = settings

    def __iter__(self) -> Iterator[InputRecord]:
        return read_file(self._path, self._settings.value_bytes_max, self._number)


def _one(name: str, number: int, settings: Settings) -> Iterable[InputRecord]:
    if name.startswith(KAFKA):
        from streams.replay.kafka_input import read_topics  # noqa: PLC0415 - only who reads from Kafka needs its client

        return read_topics(name.removeprefix(KAFKA), settings)
    return read_file(name, settings.value_bytes_max, number)


def present_unless(until: int | None) -> int | None:
    """Return the present (microseconds), None where `--until` ends the clock: that run is the same on any day."""
    return SystemClock().now_us() if until is None else None


def instant(option: str, text: str) -> int:
    """Return the instant (microseconds) that an option gives; raises `UsageError` naming the option."""
    try:
        return parse_instant(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}, such as 2025-01-06T00:00:00+05:30") from None
