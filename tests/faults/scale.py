"""How much a run does: little by default, more if the environment says so."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields

PREFIX = "FAULTS_"


@dataclass(frozen=True, slots=True)
class Scale:
    """The counts of a run, each from an environment variable `FAULTS_…`; the seed determines everything random."""

    seed: int = 1
    events: int = 4_000
    """Events fed while workers are killed, stopped and added."""
    kills: int = 3
    stops: int = 3
    changes: int = 4
    """Workers that join, leave or are killed."""
    freezes: int = 1
    losses: int = 1
    """Redis faults of each kind."""
    silence_s: int = 2
    """How long Redis does not answer, or all brokers are down."""
    bounces: int = 1
    """Broker restarts of each kind."""
    cuts: int = 1
    """Network faults of each kind."""
    broken: int = 3_000
    """Malformed events among valid ones."""
    lines: int = 10_000
    """Lines of fuzz in a file."""
    rights: int = 1
    """Rights to read and to write that are revoked, one at a time."""
    soak_s: int = 12
    """Duration of the soak test."""
    months: int = 12
    """Simulated months of settled jobs."""
    backlog: int = 20_000
    """Events waiting when a worker starts."""


def scale_from(environment: Mapping[str, str]) -> Scale:
    """Return the scale from an environment."""
    given = {field.name: environment.get(PREFIX + field.name.upper()) for field in fields(Scale)}
    return Scale(**{name: int(text) for name, text in given.items() if text})


def scale() -> Scale:
    """Return the scale of this process."""
    return scale_from(os.environ)


def command_counts(scale: Scale) -> str:
    """Return the seed and the non-default counts as arguments of `make faults`."""
    default = Scale()
    values = {field.name: getattr(scale, field.name) for field in fields(Scale)}
    given = {name: value for name, value in values.items() if name == "seed" or value != getattr(default, name)}
    return " ".join(f"{name.upper()}={value}" for name, value in given.items())
