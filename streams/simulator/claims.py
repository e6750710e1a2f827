"""Stories of visits that end out of scope: every outcome of the tagging and penalty tables."""

from typing import Final

from streams.simulator.branch import BPC_ONLY_GROUP, Branch, Movement
from streams.simulator.sim_event import MINUTE_US
from streams.simulator.story import HOUR_MIN, Story

_REUSED_PICTURES: Final = ("broken-compressor", "rusty-drum", "cracked-membrane")


def claim(story: Story, reason: str = "out_of_scope", *, images: int = 1, reused_of: str = "") -> str:
    """Open a partner's ticket 20 minutes into the visit, with so many images; returns its id."""
    ticket = story.ticket(20, "out_of_scope", "partner", reason=reason)
    for number in range(images):
        story.image(22 + number, ticket, reused_of=reused_of)
    if story.rng.chance(0.5):
        story.call(26, ticket, "partner", "unreachable")
    return ticket


def customer_cancels(story: Story, ticket: str, reason: str = "incorrect_service_booked") -> None:
    """The customer agrees to cancel, and nobody is blamed."""
    story.call(34, ticket, "customer", "will_cancel")
    story.cancelled(37, "customer", reason)


def partner_cancels(story: Story, reason: str = "out_of_scope", marked_against: str = "partner") -> None:
    """The partner cancels towards the end of the visit."""
    story.cancelled(40, "partner", reason, marked_against)


def settle_parking(story: Story, ticket: str, opened_min: float = 20) -> None:
    """Three hours after the opening the partner confirms the resolution and the ticket is closed."""
    story.call(opened_min + 3 * HOUR_MIN + 6, ticket, "partner", "resolution_confirmed")
    story.ticket_closed(opened_min + 3 * HOUR_MIN + 14, ticket)


def waived(story: Story) -> None:
    """A genuine claim, validated at the site, that nobody is blamed for."""
    story.opening()
    ticket = claim(story, images=story.rng.whole(1, 3))
    story.validated(30, ticket)
    customer_cancels(story, ticket)
    settle_parking(story, ticket)
    if story.job.branch == "verdict_turned":
        story.validated(6 * HOUR_MIN, ticket, "not_genuine")


def _blocked_start(story: Story) -> None:
    reason = "otp_refused" if story.job.branch == "otp_refused" else "payment_refused"
    story.opening()
    story.start_blocked(6, reason)
    ticket = claim(story, reason, images=0)
    story.validated(30, ticket)
    story.cancelled(37, "platform", reason)
    settle_parking(story, ticket)


def _reversal(story: Story) -> None:
    story.opening()
    ticket = claim(story)
    story.validated(30, ticket)
    partner_cancels(story)
    settle_parking(story, ticket)


def _customer_refuses_to_cancel(story: Story) -> None:
    story.opening()
    ticket = claim(story)
    story.call(34, ticket, "customer", "refuses_cancel")
    partner_cancels(story, "pro_cannot_deliver")
    story.validated(90, ticket)
    settle_parking(story, ticket)


def _not_genuine(story: Story) -> None:
    story.opening()
    ticket = claim(story)
    story.validated(31, ticket, "not_genuine")
    if story.job.branch == "not_genuine_marked":
        partner_cancels(story)
    else:
        story.cancelled(40, "customer", "other")
    story.ticket_closed(4 * HOUR_MIN, ticket)


def _cancelled_without_visit(story: Story) -> None:
    story.opening()
    partner_cancels(story, "cant_deliver")


def _refused_visit(story: Story) -> None:
    story.opening()
    ticket = story.ticket(20, "out_of_scope", "partner", reason="out_of_scope")
    story.call(28, ticket, "partner", "refuses_visit")
    partner_cancels(story, "cant_deliver")
    story.ticket_closed(3 * HOUR_MIN, ticket)


def _visited_after_advice(story: Story) -> None:
    story.opening()
    ticket = story.ticket(-35, "out_of_scope", "partner", reason="out_of_scope")
    story.call(-30, ticket, "partner", "will_visit")
    story.image(18, ticket)
    story.validated(30, ticket)
    customer_cancels(story, ticket)
    settle_parking(story, ticket, -35)


def _late_claim(story: Story) -> None:
    story.opening()
    partner_cancels(story, "pro_cannot_deliver")
    if story.job.branch == "no_claim":
        return
    hours = (18, 30) if story.job.branch == "claim_within_window" else (74, 80)
    opened = story.rng.between(*hours) * HOUR_MIN
    ticket = story.ticket(opened, "out_of_scope", "agent", reason="out_of_scope")
    story.image(opened + 4, ticket, "agent")
    story.validated(opened + 50, ticket)
    settle_parking(story, ticket, opened)


def _awaiting(story: Story) -> None:
    story.opening()
    ticket = claim(story, images=0 if story.job.branch == "awaiting_images" else 1)
    if story.job.branch == "awaiting_images":
        story.validated(30, ticket)
    partner_cancels(story)


def _park_overdue(story: Story) -> None:
    # nobody calls the partner back until five hours have passed
    story.opening()
    ticket = claim(story)
    customer_cancels(story, ticket)
    story.validated(45, ticket)
    story.call(5 * HOUR_MIN, ticket, "partner", "resolution_confirmed")
    story.ticket_closed(5 * HOUR_MIN + 5, ticket)


def _unclear_presence(story: Story) -> None:
    story.opening()
    ticket = claim(story)
    story.validated(30, ticket)
    story.cancelled(40, "customer", "incorrect_service_booked")
    settle_parking(story, ticket)


def _bpc_only_cancelled(story: Story) -> None:
    story.opening()
    ticket = claim(story)
    story.validated(30, ticket)
    partner_cancels(story)


def _bpc_only_closed(story: Story) -> None:
    story.opening()
    ticket = claim(story)
    story.validated(30, ticket)
    story.closed(45, "bpc")
    story.ticket_closed(60, ticket)


def _no_booking_known(story: Story) -> None:
    if story.job.branch == "booking_delivered_late":
        story.booked(delay_us=story.rng.whole(200, 400) * MINUTE_US)
    story.assigned()
    partner_cancels(story, "cant_deliver")


def _assignment_late(story: Story) -> None:
    story.booked()
    story.assigned(delay_us=story.rng.whole(200, 400) * MINUTE_US)
    ticket = claim(story)
    story.validated(30, ticket)
    partner_cancels(story)
    settle_parking(story, ticket)


def _unmarked(story: Story) -> None:
    story.opening()
    partner_cancels(story, "cant_deliver", "none")


def _reassigned_after_claim(story: Story) -> None:
    _reversal(story)
    second = story.job.second
    story.assigned(second, at=story.instant(50))
    story.started(125, second)
    story.closed(160, partner=second)


def _stayed(story: Story) -> None:
    story.opening()
    story.cancelled(15, story.rng.pick(("customer", "platform")), "other")


def _reused_picture(story: Story) -> None:
    story.opening()
    ticket = claim(story, reused_of=story.rng.pick(_REUSED_PICTURES))
    story.validated(30, ticket)
    partner_cancels(story)
    settle_parking(story, ticket)


_TAGGED: Final = "tagging partner_led_cancellation/out_of_scope"
_CANT_DELIVER: Final = "tagging partner_led_cancellation/cant_deliver"
_ELSEWHERE: Final = Movement(place="elsewhere")

BRANCHES: Final = (
    Branch(name="waived", weight=14, script=waived, leads_to=(_TAGGED, "paf waived")),
    Branch(name="otp_refused", weight=4, script=_blocked_start, leads_to=(_TAGGED, "paf waived")),
    Branch(name="payment_refused", weight=3, script=_blocked_start, leads_to=(_TAGGED, "paf waived")),
    Branch(
        name="visited_after_advice",
        weight=3,
        script=_visited_after_advice,
        leads_to=(_TAGGED, "paf waived"),
        movement=Movement(place="elsewhere_then_site"),
    ),
    Branch(
        name="park_overdue",
        weight=3,
        script=_park_overdue,
        leads_to=(_TAGGED, "paf waived", "alert park_overdue"),
        area="live",
    ),
    Branch(name="reversal", weight=8, script=_reversal, leads_to=(_TAGGED, "paf reversal_scheduled")),
    Branch(
        name="customer_refuses_to_cancel",
        weight=4,
        script=_customer_refuses_to_cancel,
        leads_to=(_TAGGED, "paf reversal_scheduled"),
    ),
    Branch(
        name="claim_within_window",
        weight=2,
        script=_late_claim,
        leads_to=(_TAGGED, "paf reversal_scheduled", "alert decision_flip"),
    ),
    Branch(
        name="claim_after_window",
        weight=1,
        script=_late_claim,
        leads_to=(_TAGGED, "paf reversal_scheduled", "alert decision_flip"),
    ),
    Branch(
        name="assignment_delivered_late",
        weight=2,
        script=_assignment_late,
        leads_to=(_TAGGED, "paf reversal_scheduled"),
    ),
    Branch(
        name="reassigned_after_claim",
        weight=2,
        script=_reassigned_after_claim,
        leads_to=(_TAGGED, "paf reversal_scheduled"),
        movement=Movement(second_after_min=115),
    ),
    Branch(
        name="media_reused",
        weight=2,
        script=_reused_picture,
        leads_to=(_TAGGED, "paf reversal_scheduled"),
    ),
    Branch(
        name="no_claim",
        weight=6,
        script=_late_claim,
        leads_to=(_CANT_DELIVER, "paf upheld (no_claim)", "alert stuck_provisional"),
    ),
    Branch(
        name="booking_delivered_late",
        weight=1,
        script=_no_booking_known,
        leads_to=(_CANT_DELIVER, "paf upheld (no_claim)"),
    ),
    Branch(
        name="booking_missing",
        weight=1,
        script=_no_booking_known,
        leads_to=(_CANT_DELIVER, "paf under_review (booking_missing)"),
    ),
    Branch(
        name="bpc_only_cancelled",
        weight=3,
        script=_bpc_only_cancelled,
        leads_to=(_TAGGED, "paf upheld (cancellation_not_allowed)", "alert bpc_only_cancellation"),
        area="bpc_only",
        group=BPC_ONLY_GROUP,
    ),
    Branch(
        name="bpc_only_closed",
        weight=3,
        script=_bpc_only_closed,
        leads_to=(_TAGGED, "action advise_close_at_bpc"),
        area="bpc_only",
        group=BPC_ONLY_GROUP,
    ),
    Branch(
        name="not_genuine_marked",
        weight=4,
        script=_not_genuine,
        leads_to=(_CANT_DELIVER, "paf upheld (not_genuine)"),
    ),
    Branch(
        name="not_genuine_unmarked",
        weight=3,
        script=_not_genuine,
        leads_to=("tagging none (not_genuine)", "paf not_applicable"),
    ),
    Branch(
        name="verdict_turned",
        weight=1,
        script=waived,
        leads_to=("tagging none (not_genuine)", "paf not_applicable", "alert decision_flip"),
    ),
    Branch(
        name="cancelled_unmarked",
        weight=3,
        script=_unmarked,
        leads_to=(_CANT_DELIVER, "paf not_applicable"),
    ),
    Branch(
        name="validated_off_site",
        weight=2,
        script=waived,
        leads_to=(_TAGGED, "paf under_review (presence_conflict)", "alert validated_off_site"),
        movement=_ELSEWHERE,
    ),
    Branch(
        name="cancelled_without_visit",
        weight=5,
        script=_cancelled_without_visit,
        leads_to=(_CANT_DELIVER, "paf upheld (not_on_site)"),
        movement=_ELSEWHERE,
    ),
    Branch(
        name="refused_visit",
        weight=4,
        script=_refused_visit,
        leads_to=(_TAGGED, "paf upheld (not_on_site)", "alert ticket_outside_geofence"),
        movement=_ELSEWHERE,
    ),
    Branch(
        name="awaiting_validation",
        weight=4,
        script=_awaiting,
        leads_to=(_TAGGED, "paf under_review (awaiting_validation)"),
    ),
    Branch(
        name="awaiting_images",
        weight=2,
        script=_awaiting,
        leads_to=(_TAGGED, "paf under_review (awaiting_validation)"),
    ),
    Branch(
        name="silent_device",
        weight=2,
        script=_unclear_presence,
        leads_to=(_TAGGED, "paf under_review (presence_unknown)"),
        movement=Movement(signal="silent"),
    ),
    Branch(
        name="coarse_location",
        weight=2,
        script=_unclear_presence,
        leads_to=(_TAGGED, "paf under_review (presence_unknown)"),
        movement=Movement(signal="coarse"),
    ),
    Branch(
        name="mocked_location",
        weight=2,
        script=_unclear_presence,
        leads_to=(_TAGGED, "paf under_review (presence_unknown)", "alert mocked_location"),
        movement=Movement(signal="mocked"),
    ),
    Branch(
        name="stayed_after_cancellation",
        weight=4,
        script=_stayed,
        leads_to=("alert stayed_after_cancellation",),
        movement=Movement(stay_min=(75, 95)),
    ),
)
