"""Visits that end out of scope: every outcome of the tagging and PAF tables."""

from __future__ import annotations

from functools import partial
from typing import Final

from streams.simulator.branch import Branch
from streams.simulator.sim_event import MINUTE_US
from streams.simulator.story import HOUR_MIN, Story

_REUSED_PICTURES: Final = ("broken-compressor", "rusty-drum", "cracked-membrane")


def waived(story: Story) -> None:
    """A genuine claim, validated at the site, and no marked cancellation."""
    story.opening().claim(images=story.rng.whole(1, 3)).validated().customer_cancels().parked()


def _blocked_start(story: Story, *, reason: str) -> None:
    story.opening().start_blocked(6, reason).claim(reason, images=0).validated()
    story.cancelled(37, "platform", reason).parked()


def _claim_with_reused_picture(story: Story) -> None:
    story.claim(reused_of=story.rng.pick(_REUSED_PICTURES))


def _customer_refuses_to_cancel(story: Story) -> None:
    story.call(34, "customer", "refuses_cancel").partner_cancels("pro_cannot_deliver").validated(90).parked()


def _not_genuine_marked(story: Story) -> None:
    story.validated(31, "not_genuine").partner_cancels().ticket_closed(4 * HOUR_MIN)


def _not_genuine_unmarked(story: Story) -> None:
    story.validated(31, "not_genuine").cancelled(40, "customer", "other").ticket_closed(4 * HOUR_MIN)


def _refused_visit(story: Story) -> None:
    story.ticket(20, "out_of_scope", "partner", reason="out_of_scope").call(28, "partner", "refuses_visit")
    story.partner_cancels("cant_deliver").ticket_closed(3 * HOUR_MIN)


def _visited_after_advice(story: Story) -> None:
    story.opening().ticket(-35, "out_of_scope", "partner", reason="out_of_scope")
    story.call(-30, "partner", "will_visit").image(18).validated().customer_cancels().parked()


def _late_claim(story: Story, *, hours: tuple[int, int]) -> None:
    opened_min = story.rng.between(*hours) * HOUR_MIN
    story.ticket(opened_min, "out_of_scope", "agent", reason="out_of_scope").image(opened_min + 4, "agent")
    story.validated(opened_min + 50).parked()


def _park_overdue(story: Story) -> None:
    story.customer_cancels().validated(45).call(5 * HOUR_MIN, "partner", "resolution_confirmed")  # two hours late
    story.ticket_closed(5 * HOUR_MIN + 5)


def _unclear_presence(story: Story) -> None:
    story.validated().cancelled(40, "customer", "incorrect_service_booked").parked()


def _closed_at_bpc(story: Story) -> None:
    story.validated().closed(45, "bpc").ticket_closed(60)


def _booking_delivered_late(story: Story) -> None:
    story.booked(delay_us=story.rng.whole(200, 400) * MINUTE_US)


def _assignment_delivered_late(story: Story) -> None:
    story.booked().assigned(delay_us=story.rng.whole(200, 400) * MINUTE_US)


def _reassigned(story: Story) -> None:
    second = story.job.second
    story.assigned(second, at=story.instant(50)).started(125, second).closed(160, partner=second)


def _cancelled_early(story: Story) -> None:
    story.cancelled(15, story.rng.pick(("customer", "platform")), "other")


CLAIM: Final = (Story.opening, Story.claim)
_MARKED: Final = (Story.validated, Story.partner_cancels, Story.parked)
_NO_IMAGES: Final = (Story.opening, partial(Story.claim, images=0))
_NO_CLAIM: Final = (Story.opening, partial(Story.partner_cancels, reason="pro_cannot_deliver"))
_PARTNER_CANCELS: Final = partial(Story.partner_cancels, reason="cant_deliver")
_PARTNER_CANCELS_UNMARKED: Final = partial(Story.partner_cancels, reason="cant_deliver", marked_against="none")
_VERDICT_TURNED: Final = partial(Story.validated, minute=6 * HOUR_MIN, verdict="not_genuine")

TAGGED: Final = "tagging partner_led_cancellation/out_of_scope"
WAIVED: Final = (TAGGED, "paf waived")
REVERSAL: Final = (TAGGED, "paf reversal_scheduled")
_FLIPPED: Final = (*REVERSAL, "alert decision_flip")
_NOT_ALLOWED: Final = (TAGGED, "paf upheld (cancellation_not_allowed)", "alert bpc_only_cancellation")
_TO_CLOSE: Final = (TAGGED, "action advise_close_at_bpc")
_REFUSED_VISIT: Final = (TAGGED, "paf upheld (not_on_site)", "alert ticket_outside_geofence")
_AWAITING: Final = (TAGGED, "paf under_review (awaiting_validation)")
_CONFLICT: Final = (TAGGED, "paf under_review (presence_conflict)", "alert validated_off_site")
_UNKNOWN: Final = (TAGGED, "paf under_review (presence_unknown)")
_CANT_DELIVER: Final = "tagging partner_led_cancellation/cant_deliver"
_UPHELD: Final = (_CANT_DELIVER, "paf upheld (no_claim)")
_NOT_ON_SITE: Final = (_CANT_DELIVER, "paf upheld (not_on_site)")
_BOOKING_MISSING: Final = (_CANT_DELIVER, "paf under_review (booking_missing)")
_NOT_GENUINE: Final = ("tagging none (not_genuine)", "paf not_applicable")
_STAYED: Final = ("alert stayed_after_cancellation",)

BRANCHES: Final = (
    Branch("waived", 14, (waived,), WAIVED),
    Branch("otp_refused", 4, (partial(_blocked_start, reason="otp_refused"),), WAIVED),
    Branch("payment_refused", 3, (partial(_blocked_start, reason="payment_refused"),), WAIVED),
    Branch("visited_after_advice", 3, (_visited_after_advice,), WAIVED, destination="elsewhere_then_site"),
    Branch("park_overdue", 3, (*CLAIM, _park_overdue), (*WAIVED, "alert park_overdue"), area="live"),
    Branch("reversal", 8, (*CLAIM, *_MARKED), REVERSAL),
    Branch("customer_refuses_to_cancel", 4, (*CLAIM, _customer_refuses_to_cancel), REVERSAL),
    Branch("claim_within_window", 2, (*_NO_CLAIM, partial(_late_claim, hours=(18, 30))), _FLIPPED),
    Branch("claim_after_window", 1, (*_NO_CLAIM, partial(_late_claim, hours=(74, 80))), _FLIPPED),
    Branch("assignment_delivered_late", 2, (_assignment_delivered_late, Story.claim, *_MARKED), REVERSAL),
    Branch("reassigned_after_claim", 2, (*CLAIM, *_MARKED, _reassigned), REVERSAL, second_after_min=115),
    Branch("media_reused", 2, (Story.opening, _claim_with_reused_picture, *_MARKED), REVERSAL),
    Branch("no_claim", 6, _NO_CLAIM, (*_UPHELD, "alert stuck_provisional")),
    Branch("booking_delivered_late", 1, (_booking_delivered_late, Story.assigned, _PARTNER_CANCELS), _UPHELD),
    Branch("booking_missing", 1, (Story.assigned, _PARTNER_CANCELS), _BOOKING_MISSING),
    Branch("bpc_only_cancelled", 3, (*CLAIM, Story.validated, Story.partner_cancels), _NOT_ALLOWED, area="bpc_only"),
    Branch("bpc_only_closed", 3, (*CLAIM, _closed_at_bpc), _TO_CLOSE, area="bpc_only"),
    Branch("not_genuine_marked", 4, (*CLAIM, _not_genuine_marked), (_CANT_DELIVER, "paf upheld (not_genuine)")),
    Branch("not_genuine_unmarked", 3, (*CLAIM, _not_genuine_unmarked), _NOT_GENUINE),
    Branch("verdict_turned", 1, (waived, _VERDICT_TURNED), (*_NOT_GENUINE, "alert decision_flip")),
    Branch("cancelled_unmarked", 3, (Story.opening, _PARTNER_CANCELS_UNMARKED), (_CANT_DELIVER, "paf not_applicable")),
    Branch("validated_off_site", 2, (waived,), _CONFLICT, destination="elsewhere"),
    Branch("cancelled_without_visit", 5, (Story.opening, _PARTNER_CANCELS), _NOT_ON_SITE, destination="elsewhere"),
    Branch("refused_visit", 4, (Story.opening, _refused_visit), _REFUSED_VISIT, destination="elsewhere"),
    Branch("awaiting_validation", 4, (*CLAIM, Story.partner_cancels), _AWAITING),
    Branch("awaiting_images", 2, (*_NO_IMAGES, Story.validated, Story.partner_cancels), _AWAITING),
    Branch("silent_device", 2, (*CLAIM, _unclear_presence), _UNKNOWN, signal="silent"),
    Branch("coarse_location", 2, (*CLAIM, _unclear_presence), _UNKNOWN, signal="coarse"),
    Branch("mocked_location", 2, (*CLAIM, _unclear_presence), (*_UNKNOWN, "alert mocked_location"), signal="mocked"),
    Branch("stayed_after_cancellation", 4, (Story.opening, _cancelled_early), _STAYED, stay_min=(75, 95)),
)
