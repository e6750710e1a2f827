"""Recorded events from JSON Lines files, archives and Kafka topics."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from schemas.codec.limits import RecordSizes
from streams.config.settings import Settings
from streams.files.reading import STANDARD, read_lines
from streams.process.extras import extra
from streams.replay.input_record import InputRecord

if TYPE_CHECKING:
    from streams.replay.archive_input import ArchiveInput

KAFKA: Final = "kafka://"


def read_inputs(names: Iterable[str], settings: Settings) -> Iterator[InputRecord]:
    """Yield the records of all inputs.

    They are JSON Lines files (`-`: standard input), archives (a folder or a URL), or `kafka://HOST:PORT[/PREFIX]`.

    Raises `UsageError` if an input cannot be read.
    """
    return chain.from_iterable(_read_input(name, number, settings) for number, name in enumerate(names, 1))


class RereadableInputs:
    """The same inputs as an iterable that can be read several times.

    Files are opened again each time. Standard input, pipes and Kafka topics are read once, here, and kept in memory.
    Raises `UsageError` if an input cannot be read.
    """

    def __init__(self, names: Iterable[str], settings: Settings) -> None:
        self._inputs = [
            partial(_read_input, name, number, settings)
            if name != STANDARD and (Path(name).is_file() or is_archive(name))
            else partial(iter, list(_read_input(name, number, settings)))
            for number, name in enumerate(names, 1)
        ]

    def __iter__(self) -> Iterator[InputRecord]:
        """Yield the records of all inputs, one input after the other."""
        return chain.from_iterable(read() for read in self._inputs)


def _read_input(name: str, number: int, settings: Settings) -> Iterator[InputRecord]:
    if name.startswith(KAFKA):
        from streams.replay.kafka_input import read_topics  # noqa: PLC0415 - the Kafka client is slow to import

        return read_topics(name.removeprefix(KAFKA), settings)
    if is_archive(name):
        return archive_of(name, settings).records()
    return read_file(name, settings.value_bytes_max, number)


def is_archive(name: str) -> bool:
    """Return whether an input is an archive: a folder, or a URL of an object store."""
    return not name.startswith(KAFKA) and ("://" in name or Path(name).is_dir())


def archive_of(name: str, settings: Settings) -> ArchiveInput:
    """Return the archive that an input is; raises `UsageError` if it cannot be used."""
    with extra("audit", f"{name}: an archive"):
        from streams.replay.archive_input import ArchiveInput  # noqa: PLC0415 - an extra, and slow to import
    return ArchiveInput(name, settings)


def read_file(path: str, line_bytes_max: int, input_number: int = 1) -> Iterator[InputRecord]:
    """Yield the lines of a JSON Lines file (`.gz` and `.zst` too; `-`: standard input), skipping blank ones.

    A line longer than `line_bytes_max` is truncated. In a file name that is not UTF-8, U+FFFD replaces each invalid
    byte, so that the name can be written to JSON. Raises `UsageError` if the file cannot be read to its end.
    """
    topic = os.fsencode(path).decode(errors="replace")
    for number, (line, size) in enumerate(read_lines(path, line_bytes_max), 1):
        original_sizes = RecordSizes(size) if size > line_bytes_max else None
        if original_sizes is not None or (line and not line.isspace()):
            yield InputRecord(topic, 0, number, line, original_sizes=original_sizes, input_number=input_number)
