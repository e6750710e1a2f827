"""Commercial premises, which are served, and commercial appliances, which are out of scope."""

from __future__ import annotations

from functools import partial
from typing import Final

from streams.simulator.branch import Branch
from streams.simulator.out_of_scope.claims import REVERSAL, TAGGED, WAIVED, waived
from streams.simulator.story import DAY_MIN, HOUR_MIN, Story


def _appliance(story: Story) -> None:
    story.opening().claim(images=0).validated().customer_cancels().parked()


def _marked(story: Story) -> None:
    story.opening().claim("commercial_premises").call(29, "customer", "refuses_cancel")
    story.call(34, "partner", "refuses_serve").partner_cancels("cant_deliver").validated(DAY_MIN)


def _cancelled(story: Story) -> None:
    story.opening().claim("commercial_premises").customer_cancels("commercial_premises").validated(2 * HOUR_MIN)


def _served(story: Story, *, customer_refuses: bool) -> None:
    story.opening().claim("commercial_premises", images=0)
    if customer_refuses:
        story.call(29, "customer", "refuses_cancel")
    stay_min = story.job.stay_min
    story.call(34, "partner", "will_serve").started(38).closed(stay_min - 3).ticket_closed(stay_min + 20)


_SERVED: Final = (partial(_served, customer_refuses=False),)
_SERVED_AFTER_REFUSAL: Final = (partial(_served, customer_refuses=True),)
_GUIDED: Final = (TAGGED, "action guide_partner_to_serve")
_ASKED: Final = (TAGGED, "action ask_partner_to_serve")
_at_premises: Final = partial(Branch, commercial_premises=True)

BRANCHES: Final = (
    _at_premises("waived_commercial", 2, (_cancelled,), WAIVED, area="not_live"),
    _at_premises("waived_commercial_in_live_city", 2, (waived,), WAIVED, area="live", category="ac"),
    Branch("waived_commercial_appliance", 3, (_appliance,), WAIVED, commercial_appliance=True),
    _at_premises("reversal_commercial", 2, (_marked,), REVERSAL, category="ro"),
    _at_premises("commercial_served", 3, _SERVED, _GUIDED, area="not_live"),
    _at_premises("commercial_served_after_refusal", 2, _SERVED_AFTER_REFUSAL, _ASKED, category="ro"),
)
