"""Input positions: how far each input partition has been read, and never back behind it."""

from __future__ import annotations

from collections.abc import Mapping


def format_inputs(positions: Mapping[str, int]) -> str:
    """Return the `inputs` extension: the last offset read, by `topic-partition` (contracts, "Decisions out")."""
    return ",".join(f"{name}:{positions[name] - 1}" for name in sorted(positions) if positions[name] > 0)


def parse_inputs(inputs: str) -> dict[str, int]:
    """Return the next offsets to read that an `inputs` extension stands for."""
    parts = (part.rpartition(":") for part in inputs.split(",") if part)
    return {name: int(offset) + 1 for name, _, offset in parts}


def advance_to(positions: dict[str, int], others: Mapping[str, int]) -> None:
    """Raise positions, in place, to at least others in every partition."""
    for name, at in others.items():
        if at > positions.get(name, 0):
            positions[name] = at


def has_reached(positions: Mapping[str, int], wanted: Mapping[str, int]) -> bool:
    """Tell whether positions are at or after others in every partition."""
    return all(positions.get(name, 0) >= at for name, at in wanted.items())
