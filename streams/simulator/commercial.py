"""Stories of commercial premises, which are served, and of commercial appliances, which are not."""

from typing import Final

from streams.simulator.branch import Branch
from streams.simulator.claims import claim, customer_cancels, partner_cancels, settle_parking, waived
from streams.simulator.story import DAY_MIN, HOUR_MIN, Story


def _commercial_appliance(story: Story) -> None:
    story.opening()
    ticket = claim(story, images=0)
    story.validated(30, ticket)
    customer_cancels(story, ticket)
    settle_parking(story, ticket)


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


def _commercial_served(story: Story) -> None:
    story.opening()
    ticket = claim(story, "commercial_premises", images=0)
    if story.job.branch == "commercial_served_after_refusal":
        story.call(29, ticket, "customer", "refuses_cancel")
    story.call(34, ticket, "partner", "will_serve")
    story.started(38)
    story.closed(story.job.stay_min - 3)
    story.ticket_closed(story.job.stay_min + 20, ticket)


_TAGGED: Final = "tagging partner_led_cancellation/out_of_scope"

BRANCHES: Final = (
    Branch(
        name="waived_commercial",
        weight=2,
        script=_waived_commercial,
        leads_to=(_TAGGED, "paf waived"),
        area="not_live",
        commercial_premises=True,
    ),
    Branch(
        name="waived_commercial_in_live_city",
        weight=2,
        script=waived,
        leads_to=(_TAGGED, "paf waived"),
        area="live",
        category="ac",
        commercial_premises=True,
    ),
    Branch(
        name="waived_commercial_appliance",
        weight=3,
        script=_commercial_appliance,
        leads_to=(_TAGGED, "paf waived"),
        commercial_appliance=True,
    ),
    Branch(
        name="reversal_commercial",
        weight=2,
        script=_reversal_commercial,
        leads_to=(_TAGGED, "paf reversal_scheduled"),
        category="ro",
        commercial_premises=True,
    ),
    Branch(
        name="commercial_served",
        weight=3,
        script=_commercial_served,
        leads_to=(_TAGGED, "action guide_partner_to_serve"),
        area="not_live",
        commercial_premises=True,
    ),
    Branch(
        name="commercial_served_after_refusal",
        weight=2,
        script=_commercial_served,
        leads_to=(_TAGGED, "action ask_partner_to_serve"),
        category="ro",
        commercial_premises=True,
    ),
)
