"""What a command reads: recorded events by name, instants by option."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from schemas.errors import UsageError
from schemas.instants import parse_instant
from streams.replay.recorded import Recorded, read_file
from streams.settings import Settings

KAFKA = "kafka://"


def recorded(names: Iterable[str], settings: Settings) -> Iterator[Recorded]:
    """Yield what inputs hold, one after the other: JSON Lines files, or `kafka://HOST:PORT[/PREFIX]`.

    Raises `UsageError` for one that cannot be read.
    """
    return itertools.chain.from_iterable(_one(name, settings) for name in names)


def _one(name: str, settings: Settings) -> Iterable[Recorded]:
    if name.startswith(KAFKA):
        from streams.kafka.input import read_topics  # noqa: PLC0415 - only who reads from Kafka needs its client

        return read_topics(name.removeprefix(KAFKA), settings)
    return read_file(name)


def instant(option: str, text: str) -> int:
    """Return the instant (microseconds) that an option gives; raises `UsageError` naming the option."""
    try:
        return parse_instant(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
