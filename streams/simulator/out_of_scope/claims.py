"""Visits that end out of scope: every outcome of the tagging and PAF tables."""

from __future__ import annotations

from functools import partial
from typing import Final, Literal

from streams.simulator.branch import BPC_ONLY_GROUP, Branch, Movement
from streams.simulator.sim_event import MINUTE_US
from streams.simulator.story import HOUR_MIN, Story

_REUSED_PICTURES: Final = ("broken-compressor", "rusty-drum", "cracked-membrane")


def claim(story: Story, reason: str = "out_of_scope", *, images: int = 1, reused_of: str = "") -> str:
    """The partner opens a ticket 20 minutes into the visit and adds images; returns the ticket's id."""
    ticket = story.ticket(20, "out_of_scope", "partner", reason=reason)
    for number in range(images):
        story.image(22 + number, ticket, reused_of=reused_of)
    if story.rng.chance(0.5):
        story.call(26, ticket, "partner", "unreachable")
    return ticket


def customer_cancels(story: Story, ticket: str, reason: str = "incorrect_service_booked") -> None:
    """The customer agrees to cancel; no cancellation is marked."""
    story.call(34, ticket, "customer", "will_cancel")
    story.cancelled(37, "customer", reason)


def partner_cancels(story: Story, reason: str = "out_of_scope", marked_against: str = "partner") -> None:
    """The partner cancels towards the end of the visit."""
    story.cancelled(40, "partner", reason, marked_against)


def close_after_parking(story: Story, ticket: str, opened_min: float = 20) -> None:
    """Three hours after it was opened, the partner confirms the resolution and the ticket is closed."""
    story.call(opened_min + 3 * HOUR_MIN + 6, ticket, "partner", "resolution_confirmed")
    story.ticket_closed(opened_min + 3 * HOUR_MIN + 14, ticket)


def waived(story: Story) -> str:
    """A genuine claim, validated at the site, and no marked cancellation; returns the ticket's id."""
    story.opening()
    ticket = claim(story, images=story.rng.whole(1, 3))
    story.validated(30, ticket)
    customer_cancels(story, ticket)
    close_after_parking(story, ticket)
    return ticket


def _validation_reversed(story: Story) -> None:
    ticket = waived(story)
    story.validated(6 * HOUR_MIN, ticket, "not_genuine")


def _blocked_start(story: Story, *, reason: Literal["otp_refused", "payment_refused"]) -> None:
    story.opening()
    story.start_blocked(6, reason)
    ticket = claim(story, reason, images=0)
    story.validated(30, ticket)
    story.cancelled(37, "platform", reason)
    close_after_parking(story, ticket)


def _validated_and_marked(story: Story, ticket: str) -> None:
    story.validated(30, ticket)
    partner_cancels(story)
    close_after_parking(story, ticket)


def _reversal(story: Story) -> None:
    story.opening()
    _validated_and_marked(story, claim(story))


def _media_reused(story: Story) -> None:
    story.opening()
    _validated_and_marked(story, claim(story, reused_of=story.rng.pick(_REUSED_PICTURES)))


def _customer_refuses_to_cancel(story: Story) -> None:
    story.opening()
    ticket = claim(story)
    story.call(34, ticket, "customer", "refuses_cancel")
    partner_cancels(story, "pro_cannot_deliver")
    story.validated(90, ticket)
    close_after_parking(story, ticket)


def _not_genuine(story: Story, *, marked: bool) -> None:
    story.opening()
    ticket = claim(story)
    story.validated(31, ticket, "not_genuine")
    if marked:
        partner_cancels(story)
    else:
        story.cancelled(40, "customer", "other")
    story.ticket_closed(4 * HOUR_MIN, ticket)


def _cancelled_without_claim(story: Story, *, reason: str = "cant_deliver", marked_against: str = "partner") -> None:
    story.opening()
    partner_cancels(story, reason, marked_against)


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
    close_after_parking(story, ticket, -35)


def _late_claim(story: Story, *, hours: tuple[int, int]) -> None:
    _cancelled_without_claim(story, reason="pro_cannot_deliver")
    opened = story.rng.between(*hours) * HOUR_MIN
    ticket = story.ticket(opened, "out_of_scope", "agent", reason="out_of_scope")
    story.image(opened + 4, ticket, "agent")
    story.validated(opened + 50, ticket)
    close_after_parking(story, ticket, opened)


def _awaiting_validation(story: Story) -> None:
    story.opening()
    claim(story)
    partner_cancels(story)


def _awaiting_images(story: Story) -> None:
    story.opening()
    ticket = claim(story, images=0)
    story.validated(30, ticket)
    partner_cancels(story)


def _park_overdue(story: Story) -> None:
    story.opening()
    ticket = claim(story)
    customer_cancels(story, ticket)
    story.validated(45, ticket)
    story.call(5 * HOUR_MIN, ticket, "partner", "resolution_confirmed")  # two hours late
    story.ticket_closed(5 * HOUR_MIN + 5, ticket)


def _unclear_presence(story: Story) -> None:
    story.opening()
    ticket = claim(story)
    story.validated(30, ticket)
    story.cancelled(40, "customer", "incorrect_service_booked")
    close_after_parking(story, ticket)


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


def _booking_missing(story: Story) -> None:
    story.assigned()
    partner_cancels(story, "cant_deliver")


def _booking_delivered_late(story: Story) -> None:
    story.booked(delay_us=story.rng.whole(200, 400) * MINUTE_US)
    _booking_missing(story)


def _assignment_delivered_late(story: Story) -> None:
    story.booked()
    story.assigned(delay_us=story.rng.whole(200, 400) * MINUTE_US)
    _validated_and_marked(story, claim(story))


def _reassigned_after_claim(story: Story) -> None:
    _reversal(story)
    second = story.job.second
    story.assigned(second, at=story.instant(50))
    story.started(125, second)
    story.closed(160, partner=second)


def _stayed_after_cancellation(story: Story) -> None:
    story.opening()
    story.cancelled(15, story.rng.pick(("customer", "platform")), "other")


_TAGGED: Final = "tagging partner_led_cancellation/out_of_scope"
_CANT_DELIVER: Final = "tagging partner_led_cancellation/cant_deliver"
_NOT_GENUINE: Final = "tagging none (not_genuine)"
_REVERSAL: Final = (_TAGGED, "paf reversal_scheduled")
_AWAITING: Final = (_TAGGED, "paf under_review (awaiting_validation)")
_UNKNOWN: Final = (_TAGGED, "paf under_review (presence_unknown)")
_ELSEWHERE: Final = Movement(destination="elsewhere")

BRANCHES: Final = (
    Branch("waived", 14, waived, (_TAGGED, "paf waived")),
    Branch("otp_refused", 4, partial(_blocked_start, reason="otp_refused"), (_TAGGED, "paf waived")),
    Branch("payment_refused", 3, partial(_blocked_start, reason="payment_refused"), (_TAGGED, "paf waived")),
    Branch(
        "visited_after_advice",
        3,
        _visited_after_advice,
        (_TAGGED, "paf waived"),
        movement=Movement(destination="elsewhere_then_site"),
    ),
    Branch("park_overdue", 3, _park_overdue, (_TAGGED, "paf waived", "alert park_overdue"), area="live"),
    Branch("reversal", 8, _reversal, _REVERSAL),
    Branch("customer_refuses_to_cancel", 4, _customer_refuses_to_cancel, _REVERSAL),
    Branch("claim_within_window", 2, partial(_late_claim, hours=(18, 30)), (*_REVERSAL, "alert decision_flip")),
    Branch("claim_after_window", 1, partial(_late_claim, hours=(74, 80)), (*_REVERSAL, "alert decision_flip")),
    Branch("assignment_delivered_late", 2, _assignment_delivered_late, _REVERSAL),
    Branch("reassigned_after_claim", 2, _reassigned_after_claim, _REVERSAL, movement=Movement(second_after_min=115)),
    Branch("media_reused", 2, _media_reused, _REVERSAL),
    Branch(
        "no_claim",
        6,
        partial(_cancelled_without_claim, reason="pro_cannot_deliver"),
        (_CANT_DELIVER, "paf upheld (no_claim)", "alert stuck_provisional"),
    ),
    Branch("booking_delivered_late", 1, _booking_delivered_late, (_CANT_DELIVER, "paf upheld (no_claim)")),
    Branch("booking_missing", 1, _booking_missing, (_CANT_DELIVER, "paf under_review (booking_missing)")),
    Branch(
        "bpc_only_cancelled",
        3,
        _bpc_only_cancelled,
        (_TAGGED, "paf upheld (cancellation_not_allowed)", "alert bpc_only_cancellation"),
        area="bpc_only",
        group=BPC_ONLY_GROUP,
    ),
    Branch(
        "bpc_only_closed",
        3,
        _bpc_only_closed,
        (_TAGGED, "action advise_close_at_bpc"),
        area="bpc_only",
        group=BPC_ONLY_GROUP,
    ),
    Branch("not_genuine_marked", 4, partial(_not_genuine, marked=True), (_CANT_DELIVER, "paf upheld (not_genuine)")),
    Branch("not_genuine_unmarked", 3, partial(_not_genuine, marked=False), (_NOT_GENUINE, "paf not_applicable")),
    Branch("verdict_turned", 1, _validation_reversed, (_NOT_GENUINE, "paf not_applicable", "alert decision_flip")),
    Branch(
        "cancelled_unmarked",
        3,
        partial(_cancelled_without_claim, marked_against="none"),
        (_CANT_DELIVER, "paf not_applicable"),
    ),
    Branch(
        "validated_off_site",
        2,
        waived,
        (_TAGGED, "paf under_review (presence_conflict)", "alert validated_off_site"),
        movement=_ELSEWHERE,
    ),
    Branch(
        "cancelled_without_visit",
        5,
        _cancelled_without_claim,
        (_CANT_DELIVER, "paf upheld (not_on_site)"),
        movement=_ELSEWHERE,
    ),
    Branch(
        "refused_visit",
        4,
        _refused_visit,
        (_TAGGED, "paf upheld (not_on_site)", "alert ticket_outside_geofence"),
        movement=_ELSEWHERE,
    ),
    Branch("awaiting_validation", 4, _awaiting_validation, _AWAITING),
    Branch("awaiting_images", 2, _awaiting_images, _AWAITING),
    Branch("silent_device", 2, _unclear_presence, _UNKNOWN, movement=Movement(signal="silent")),
    Branch("coarse_location", 2, _unclear_presence, _UNKNOWN, movement=Movement(signal="coarse")),
    Branch(
        "mocked_location",
        2,
        _unclear_presence,
        (*_UNKNOWN, "alert mocked_location"),
        movement=Movement(signal="mocked"),
    ),
    Branch(
        "stayed_after_cancellation",
        4,
        _stayed_after_cancellation,
        ("alert stayed_after_cancellation",),
        movement=Movement(stay_min=(75, 95)),
    ),
)
