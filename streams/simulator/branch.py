"""What a scripted branch of the procedures is: how often it happens, where, and the story that it tells."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from streams.simulator.cities import SimCity
from streams.simulator.story import Story

# where the procedures differ by city: the ticket flow is live, it is not, closing instead of cancelling is the rule
Area = Literal["any", "live", "not_live", "bpc_only"]
Place = Literal["site", "elsewhere", "elsewhere_then_site", "nowhere"]
# what the partner's device says during the visit
Signal = Literal["good", "silent", "coarse", "mocked", "jump"]

BPC_ONLY_CITIES = ("Delhi", "Mumbai")
BPC_ONLY_GROUP = "rwm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """What the partner's movements look like: where to, for how many minutes, with which signal.

    ``second_after_min`` sends another partner to the site, so many minutes after the planned arrival.
    """

    place: Place = "site"
    stay_min: tuple[int, int] = (52, 62)
    signal: Signal = "good"
    second_after_min: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One branch: ``weight`` is its share of the jobs relative to the others', ``tell`` its story.

    ``leads_to`` is what the rules make of it when all is known: ``<decision kind> <outcome>`` with the reasons in
    brackets (a ``*`` stands for anything), ``alert <name>`` or ``action <code>``; the most telling of them.
    ``area``, ``group``, ``category`` and the two flags are what the booking has to be like (blank: anything).
    """

    name: str
    weight: float
    script: Callable[[Story], None]
    leads_to: tuple[str, ...] = ()
    area: Area = "any"
    group: str = ""
    category: str = ""
    commercial_premises: bool = False
    commercial_appliance: bool = False
    movement: Movement = Movement()

    def fits(self, city: SimCity) -> bool:
        """Return whether this branch can happen in ``city``."""
        if self.area == "bpc_only":
            return city.name in BPC_ONLY_CITIES
        return self.area == "any" or (self.area == "live") == city.live
