"""Ordinary jobs, most of a city's day: no SOP is needed, or only to settle a small question."""

from __future__ import annotations

from typing import Final

from streams.simulator.branch import Branch
from streams.simulator.sim_event import MINUTE_US
from streams.simulator.story import DAY_MIN, Story


def _completed(story: Story) -> None:
    story.opening().served(story.rng.between(2, 6))
    if story.rng.chance(0.6):
        story.rated(story.job.stay_min + story.rng.between(5, 600), story.rng.pick((5, 5, 5, 4, 4, 3, 2)))


def _rescheduled(story: Story) -> None:
    # first booked for an hour earlier, then corrected before the partner sets out
    corrected_at = story.job.booked_at + story.rng.whole(11, 30) * MINUTE_US
    story.booked(scheduled_at=story.job.scheduled_at - 60 * MINUTE_US).assigned().booked(again_at=corrected_at).served(
        4
    )


def _reassigned(story: Story) -> None:
    second = story.job.second
    story.opening().assigned(second, at=story.job.booked_at + story.rng.whole(11, 40) * MINUTE_US)
    story.started(4, second).closed(50, partner=second)


def _cancelled_by_customer(story: Story) -> None:
    reason = story.rng.pick(("other", "other", "incorrect_service_booked"))
    story.cancelled(-50, "customer", reason, story.rng.pick(("none", "customer")))


def _cancelled_by_platform(story: Story) -> None:
    story.booked().cancelled(-20, "platform", "other")


def _complaint(story: Story) -> None:
    story.ticket(story.rng.between(100, DAY_MIN), "poor_service", "customer").ticket_closed(2 * DAY_MIN)


def _start_settled(story: Story) -> None:
    story.opening().start_blocked(3, story.rng.pick(("otp_refused", "payment_refused"))).served(9)


BRANCHES: Final = (
    Branch("completed", 520, (_completed,), stay_min=(35, 90)),
    Branch("completed_with_extras", 100, (_completed, Story.extras), stay_min=(45, 110)),
    Branch("rescheduled", 30, (_rescheduled,)),
    Branch("reassigned_before_visit", 25, (_reassigned,), destination="nowhere", second_after_min=0),
    Branch("cancelled_before_visit", 60, (Story.opening, _cancelled_by_customer), destination="nowhere"),
    Branch("cancelled_by_platform", 10, (_cancelled_by_platform,), destination="nowhere"),
    Branch("complaint_without_offline_service", 12, (_completed, _complaint)),
    Branch("start_blocked_then_settled", 8, (_start_settled,), ("action ask_partner_to_create_ticket",)),
    Branch("impossible_travel", 2, (_completed,), ("alert impossible_travel",), signal="jump"),
)
