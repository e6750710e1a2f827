"""How much a run does: little as one test among others, as much as the environment says when run by itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields

PREFIX = "FAULTS_"


@dataclass(frozen=True, slots=True)
class Scale:
    """Counts of a run, each from the environment variable `FAULTS_…` of its name; the seed draws all that is random."""

    seed: int = 1
    events: int = 4_000
    """Events fed while workers are killed, stopped, joined."""
    kills: int = 3
    stops: int = 3
    changes: int = 4
    """Workers that join, leave or die."""
    freezes: int = 1
    losses: int = 1
    """Times that Redis is treated badly, in each way."""
    silence_s: int = 2
    """How long Redis does not answer, or all brokers are down."""
    bounces: int = 1
    """Times that a broker goes and comes back, in each way."""
    cuts: int = 1
    """Times that each trouble with the network happens."""
    broken: int = 3_000
    """Broken events among good ones."""
    lines: int = 10_000
    """Lines of fuzz in a file."""
    rights: int = 1
    """Rights to read and to write that are taken away, one after the other."""
    soak_s: int = 12
    """How long events stream in while something happens now and then."""
    months: int = 12
    """Of settled jobs, by a clock that runs fast."""
    backlog: int = 20_000
    """Events waiting when a worker starts."""


def scale_from(environment: Mapping[str, str]) -> Scale:
    """Return the scale that an environment gives."""
    given = {field.name: environment.get(PREFIX + field.name.upper()) for field in fields(Scale)}
    return Scale(**{name: int(text) for name, text in given.items() if text})


def scale() -> Scale:
    """Return the scale of this process."""
    return scale_from(os.environ)


def command_counts(scale: Scale) -> str:
    """Return the seed, and all counts that are not as in a short run, as `make faults` takes them."""
    default = Scale()
    values = {field.name: getattr(scale, field.name) for field in fields(Scale)}
    told = {name: value for name, value in values.items() if name == "seed" or value != getattr(default, name)}
    return " ".join(f"{name.upper()}={value}" for name, value in told.items())
