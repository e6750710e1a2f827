"""A branch of the SOPs that simulated jobs follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Literal

from streams.simulator.cities import SimCity

if TYPE_CHECKING:
    from streams.simulator.story import Story

Area = Literal["any", "live", "not_live", "bpc_only"]
"""Where a branch can happen: in cities with or without the ticket flow, or in those where some jobs close at BPC."""
Destination = Literal["site", "elsewhere", "elsewhere_then_site", "nowhere"]
DeviceSignal = Literal["good", "silent", "coarse", "mocked", "jump"]
"""What the partner's device reports during the visit."""
Step = Callable[["Story"], object]
"""Adds some of the events of a job to its story."""

BPC_ONLY_CITIES = ("Delhi", "Mumbai")
BPC_ONLY_GROUP = "rwm"


@dataclass(frozen=True, slots=True)
class Branch:
    """One branch.

    `weight` is its share of the jobs relative to the other branches. The steps of `script` make a job's story.

    `leads_to` is what the rules conclude once all events are known: `<decision kind> <outcome>` with the reasons in
    brackets, `alert <name>` or `action <code>`; `*` matches anything. Only the characteristic ones are listed.

    `area` to `commercial_appliance` say which city, category, premises and appliance the job needs (default: any); in
    the area `bpc_only`, the partner is one of the group `BPC_ONLY_GROUP`. The partner moves to `destination` and stays
    for `stay_min` minutes (from, to) with the device's `signal`. `second_after_min` sends another partner to the site,
    that many minutes after the planned arrival.
    """

    name: str
    weight: float
    script: tuple[Step, ...]
    leads_to: tuple[str, ...] = ()
    _: KW_ONLY
    area: Area = "any"
    category: str = ""
    commercial_premises: bool = False
    commercial_appliance: bool = False
    destination: Destination = "site"
    stay_min: tuple[int, int] = (52, 62)
    signal: DeviceSignal = "good"
    second_after_min: int | None = None

    def fits(self, city: SimCity) -> bool:
        """Return whether this branch can happen in a city."""
        if self.area == "bpc_only":
            return city.name in BPC_ONLY_CITIES
        return self.area == "any" or (self.area == "live") == city.live
