"""Where the files of an archive are: a folder for each topic and day, and the range of offsets in each file's name.

A file's name says which records it has, so positions, gaps and repetitions are found without opening a file.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Final, NamedTuple, Self

from streams.runtime.ports import TP

SUFFIX: Final = ".parquet"
TEMPORARY: Final = ".part"
"""How the name of a file ends that is still being written. What was left behind by a crash is deleted at the start."""

LOCK: Final = ".lock"
"""The file that the process which writes to an archive on this machine has locked."""

_PATH: Final = re.compile(
    r"(?P<topic>[A-Za-z0-9._-]+)/(?P<day>\d{4}-\d{2}-\d{2})/"
    r"(?P<partition>\d{5,})\.(?P<generation>\d{3,})\.(?P<topic_id>[A-Za-z0-9_-]+)\."
    r"(?P<first>\d{20})-(?P<next>\d{20})\.parquet"
)


# Librdkafka writes a topic id in base64 of the kind whose "/" and "+" a path cannot have.
_IN_PATH: Final = str.maketrans("+/", "-_")
_FROM_PATH: Final = str.maketrans("-_", "+/")


class SegmentName(NamedTuple):
    """Which records a file has: those of one partition from offset `first` on, before offset `next`.

    `topic_id` is the id that Kafka gave the topic, as librdkafka writes it; one that was created again has another, and
    `generation` counts them from 0. `day` is in UTC. Names sort by partition and offset.
    """

    topic: str
    partition: int
    generation: int
    first: int
    next: int
    topic_id: str
    day: date

    @classmethod
    def parse(cls, path: str) -> Self:
        """Return the name of the file at a path within an archive; raises ValueError if it is not one of its files."""
        found = _PATH.fullmatch(path)
        if found is None:
            raise ValueError(path)
        return cls(
            found["topic"],
            int(found["partition"]),
            int(found["generation"]),
            int(found["first"]),
            int(found["next"]),
            found["topic_id"].translate(_FROM_PATH),
            date.fromisoformat(found["day"]),
        )

    @property
    def tp(self) -> TP:
        """The partition."""
        return TP(self.topic, self.partition)

    @property
    def path(self) -> str:
        """Where the file is within the archive."""
        offsets = f"{self.first:020}-{self.next:020}"
        topic_id = self.topic_id.translate(_IN_PATH)
        name = f"{self.partition:05}.{self.generation:03}.{topic_id}.{offsets}{SUFFIX}"
        return f"{self.topic}/{self.day}/{name}"


def day_of(timestamp: int) -> date:
    """Return the day in UTC of an instant in milliseconds; years that dates do not have count as the nearest one."""
    try:
        return datetime.fromtimestamp(timestamp / 1000, UTC).date()
    except (OverflowError, ValueError, OSError):
        return date.max if timestamp > 0 else date.min
