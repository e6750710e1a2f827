"""Commercial premises, which are served, and commercial appliances, which are out of scope."""

from __future__ import annotations

from typing import Final

from streams.simulator.branch import Branch
from streams.simulator.out_of_scope.claims import REVERSAL, TAGGED, WAIVED, waived
from streams.simulator.story import DAY_MIN, HOUR_MIN, Story


def _commercial_appliance(story: Story) -> None:
    story.opening().claim(images=0).validated().customer_cancels().parked()


def _reversal_commercial(story: Story) -> None:
    story.opening().claim("commercial_premises").call(29, "customer", "refuses_cancel")
    story.call(34, "partner", "refuses_serve").partner_cancels("cant_deliver").validated(DAY_MIN)


def _waived_commercial(story: Story) -> None:
    story.opening().claim("commercial_premises").customer_cancels("commercial_premises").validated(2 * HOUR_MIN)


def _commercial_claim(story: Story) -> None:
    story.opening().claim("commercial_premises", images=0)


def _customer_refuses_to_cancel(story: Story) -> None:
    story.call(29, "customer", "refuses_cancel")


def _served(story: Story) -> None:
    stay_min = story.job.stay_min
    story.call(34, "partner", "will_serve").started(38).closed(stay_min - 3).ticket_closed(stay_min + 20)


BRANCHES: Final = (
    Branch("waived_commercial", 2, (_waived_commercial,), WAIVED, area="not_live", commercial_premises=True),
    Branch(
        "waived_commercial_in_live_city", 2, (waived,), WAIVED, area="live", category="ac", commercial_premises=True
    ),
    Branch("waived_commercial_appliance", 3, (_commercial_appliance,), WAIVED, commercial_appliance=True),
    Branch("reversal_commercial", 2, (_reversal_commercial,), REVERSAL, category="ro", commercial_premises=True),
    Branch(
        "commercial_served",
        3,
        (_commercial_claim, _served),
        (TAGGED, "action guide_partner_to_serve"),
        area="not_live",
        commercial_premises=True,
    ),
    Branch(
        "commercial_served_after_refusal",
        2,
        (_commercial_claim, _customer_refuses_to_cancel, _served),
        (TAGGED, "action ask_partner_to_serve"),
        category="ro",
        commercial_premises=True,
    ),
)
