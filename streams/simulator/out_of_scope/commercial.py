"""Commercial premises, which are served, and commercial appliances, which are out of scope."""

from __future__ import annotations

from functools import partial
from typing import Final

from streams.simulator.branch import Branch
from streams.simulator.out_of_scope.claims import claim, close_after_parking, customer_cancels, partner_cancels, waived
from streams.simulator.story import DAY_MIN, HOUR_MIN, Story


def _commercial_appliance(story: Story) -> None:
    story.opening()
    ticket = claim(story, images=0)
    story.validated(30, ticket)
    customer_cancels(story, ticket)
    close_after_parking(story, ticket)


def _reversal_commercial(story: Story) -> None:
    story.opening()
    ticket = claim(story, "commercial_premises")
    story.call(29, ticket, "customer", "refuses_cancel")
    story.call(34, ticket, "partner", "refuses_serve")
    partner_cancels(story, "cant_deliver")
    story.validated(DAY_MIN, ticket)


def _waived_commercial(story: Story) -> None:
    story.opening()
    ticket = claim(story, "commercial_premises")
    customer_cancels(story, ticket, "commercial_premises")
    story.validated(2 * HOUR_MIN, ticket)


def _commercial_served(story: Story, *, customer_refuses: bool) -> None:
    story.opening()
    ticket = claim(story, "commercial_premises", images=0)
    if customer_refuses:
        story.call(29, ticket, "customer", "refuses_cancel")
    story.call(34, ticket, "partner", "will_serve")
    story.started(38)
    story.closed(story.job.stay_min - 3)
    story.ticket_closed(story.job.stay_min + 20, ticket)


_TAGGED: Final = "tagging partner_led_cancellation/out_of_scope"
_WAIVED: Final = (_TAGGED, "paf waived")

BRANCHES: Final = (
    Branch("waived_commercial", 2, _waived_commercial, _WAIVED, area="not_live", commercial_premises=True),
    Branch(
        "waived_commercial_in_live_city",
        2,
        waived,
        _WAIVED,
        area="live",
        category="ac",
        commercial_premises=True,
    ),
    Branch("waived_commercial_appliance", 3, _commercial_appliance, _WAIVED, commercial_appliance=True),
    Branch(
        "reversal_commercial",
        2,
        _reversal_commercial,
        (_TAGGED, "paf reversal_scheduled"),
        category="ro",
        commercial_premises=True,
    ),
    Branch(
        "commercial_served",
        3,
        partial(_commercial_served, customer_refuses=False),
        (_TAGGED, "action guide_partner_to_serve"),
        area="not_live",
        commercial_premises=True,
    ),
    Branch(
        "commercial_served_after_refusal",
        2,
        partial(_commercial_served, customer_refuses=True),
        (_TAGGED, "action ask_partner_to_serve"),
        category="ro",
        commercial_premises=True,
    ),
)
