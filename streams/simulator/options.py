"""The options of a simulation."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.errors import UsageError
from schemas.suggestions import suggestion
from streams.simulator.cities import all_cities

DEFAULT_START_AT: Final = 1_736_101_800_000_000  # 2025-01-06T00:00:00+05:30
LATEST_START_AT: Final = 4_102_444_800_000_000  # 2100-01-01T00:00:00Z
RUN_DIGITS: Final = 6
SHARE_MAX: Final = 0.5
REPORT_INTERVALS_S: Final = (5, 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions:
    """Options of one simulation; the same options give the same bytes.

    `start_at` is the first midnight, in microseconds since the epoch. `cities` are the names of the cities to simulate
    (empty: all). The shares are those of events delivered late, delivered twice, and followed by a malformed copy.
    `report_interval_s` is the mean time between location reports of a travelling partner. `trace_file` is a recorded
    GPS trace that partners follow. Raises `UsageError` if a value cannot be used.
    """

    jobs: int = 200
    seed: int = 1
    start_at: int = DEFAULT_START_AT
    days: int = 1
    cities: tuple[str, ...] = ()
    late_share: float = 0.02
    duplicate_share: float = 0.01
    malformed_share: float = 0.001
    report_interval_s: int = 30
    trace_file: Path | None = None

    @property
    def run(self) -> str:
        """A label in all ids of this run; runs with another seed or start have another label."""
        return hashlib.sha256(f"{self.seed}/{self.start_at}".encode()).hexdigest()[:RUN_DIGITS]

    def __post_init__(self) -> None:
        _check_range("jobs", self.jobs, 1, 1_000_000)
        _check_range("days", self.days, 1, 366)
        _check_range("report interval (s)", self.report_interval_s, *REPORT_INTERVALS_S)
        _check_range("late share", self.late_share, 0, SHARE_MAX)
        _check_range("duplicate share", self.duplicate_share, 0, SHARE_MAX)
        _check_range("malformed share", self.malformed_share, 0, SHARE_MAX)
        if not 0 <= self.start_at < LATEST_START_AT:
            raise UsageError("the start must lie in the years 1970 to 2099")
        for name in self.cities:
            if name not in all_cities():
                known = ", ".join(all_cities())
                hint = suggestion(_canonical_name(name), all_cities())
                raise UsageError(f"city {name!r} is not known{hint} (known: {known})")


def _canonical_name(name: str) -> str:
    """Return the name of the city that a spelling stands for, any other name unchanged."""
    wanted = name.strip().casefold()
    for city in all_cities().values():
        if wanted in {each.strip().casefold() for each in (city.name, *city.spellings)}:
            return city.name
    return name


def _check_range(option: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UsageError(f"{option} must lie between {low} and {high}, not {value}")
