"""Ordinary jobs, most of a city's day: no SOP is needed, or only to settle a small question."""

from __future__ import annotations

from typing import Final

from streams.simulator.branch import Branch, Movement
from streams.simulator.sim_event import MINUTE_US
from streams.simulator.story import DAY_MIN, Story, rupees

_EXTRAS: Final = ("gas refill", "filter cartridge", "drain pipe", "capacitor", "door gasket", "inlet valve", "")


def _completed(story: Story) -> None:
    story.opening()
    story.started(story.rng.between(2, 6))
    story.closed(story.job.stay_min - 4)
    if story.rng.chance(0.6):
        story.rated(story.job.stay_min + story.rng.between(5, 600), story.rng.pick((5, 5, 5, 4, 4, 3, 2)))


def add_extras(story: Story) -> None:
    """Add one to three extras to the booking; sometimes correct the first one."""
    for number in range(1, story.rng.whole(1, 3) + 1):
        amount = rupees(story.rng.whole(99, 900))
        story.line_item(8 + 3 * number, f"line-{number}", amount, story.rng.pick(_EXTRAS))
    if story.rng.chance(0.2):
        story.line_item(20, "line-1", rupees(story.rng.whole(99, 900)), "corrected")


def _completed_with_extras(story: Story) -> None:
    _completed(story)
    add_extras(story)


def _rescheduled(story: Story) -> None:
    # first booked for an hour earlier, then corrected before the partner sets out
    corrected_at = story.job.booked_at + story.rng.whole(11, 30) * MINUTE_US
    story.booked(scheduled_at=story.job.scheduled_at - 60 * MINUTE_US)
    story.assigned()
    story.booked(again_at=corrected_at)
    story.started(4)
    story.closed(story.job.stay_min - 4)


def _reassigned(story: Story) -> None:
    story.opening()
    second = story.job.second
    story.assigned(second, at=story.job.booked_at + story.rng.whole(11, 40) * MINUTE_US)
    story.started(4, second)
    story.closed(50, partner=second)


def _cancelled_before_visit(story: Story) -> None:
    story.opening()
    reason = story.rng.pick(("other", "other", "incorrect_service_booked"))
    story.cancelled(-50, "customer", reason, story.rng.pick(("none", "customer")))


def _cancelled_by_platform(story: Story) -> None:
    story.booked()
    story.cancelled(-20, "platform", "other")


def _complaint(story: Story) -> None:
    _completed(story)
    ticket = story.ticket(story.rng.between(100, DAY_MIN), "poor_service", "customer")
    story.ticket_closed(2 * DAY_MIN, ticket)


def _start_settled(story: Story) -> None:
    story.opening()
    story.start_blocked(3, story.rng.pick(("otp_refused", "payment_refused")))
    story.started(9)
    story.closed(story.job.stay_min - 4)


_NO_VISIT: Final = Movement(destination="nowhere")

BRANCHES: Final = (
    Branch("completed", 520, _completed, movement=Movement(stay_min=(35, 90))),
    Branch("completed_with_extras", 100, _completed_with_extras, movement=Movement(stay_min=(45, 110))),
    Branch("rescheduled", 30, _rescheduled),
    Branch("reassigned_before_visit", 25, _reassigned, movement=Movement(destination="nowhere", second_after_min=0)),
    Branch("cancelled_before_visit", 60, _cancelled_before_visit, movement=_NO_VISIT),
    Branch("cancelled_by_platform", 10, _cancelled_by_platform, movement=_NO_VISIT),
    Branch("complaint_without_offline_service", 12, _complaint),
    Branch("start_blocked_then_settled", 8, _start_settled, ("action ask_partner_to_create_ticket",)),
    Branch("impossible_travel", 2, _completed, ("alert impossible_travel",), movement=Movement(signal="jump")),
)
