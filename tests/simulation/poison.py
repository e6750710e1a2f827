"""A case that no worker survives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from agents.case_agent import CaseUpdate
from tests.simulation.fault_injector import FaultInjector

Deciding = Callable[[str, int, str | None], CaseUpdate]


@dataclass(frozen=True, slots=True)
class Poison:
    """A case that no worker survives to evaluate from an instant on."""

    case_id: str
    begins_at: int
    how: Literal["kills", "raises", "is refused"]
    """Whether it ends the process, raises, or publishes what Kafka refuses."""


def decide_or_die(
    decide: Deciding, poison: Poison, injector: FaultInjector, case_id: str, now: int, inputs: str | None
) -> CaseUpdate:
    """Decide a case, unless that kills its worker or raises."""
    if case_id == poison.case_id and now >= poison.begins_at:
        if poison.how == "raises":
            raise KeyError(case_id)
        injector.die()
    return decide(case_id, now, inputs)
