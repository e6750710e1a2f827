"""Stories of ordinary jobs: most of a city's day, in which no procedure is needed or a small question is settled."""

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
    """Add one to three extras to the booking, one of them sometimes corrected."""
    for number in range(1, story.rng.whole(1, 3) + 1):
        amount = rupees(story.rng.whole(99, 900))
        story.line_item(8 + 3 * number, f"line-{number}", amount, story.rng.pick(_EXTRAS))
    if story.rng.chance(0.2):
        story.line_item(20, "line-1", rupees(story.rng.whole(99, 900)), "corrected")


def _completed_with_extras(story: Story) -> None:
    _completed(story)
    add_extras(story)


def _rescheduled(story: Story) -> None:
    # booked for an earlier hour first; the correction comes before the partner sets out
    moved_at = story.job.booked_at + story.rng.whole(11, 30) * MINUTE_US
    story.booked(scheduled_at=story.job.scheduled_at - 60 * MINUTE_US)
    story.assigned()
    story.booked(again_at=moved_at)
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


BRANCHES: Final = (
    Branch(name="completed", weight=520, script=_completed, movement=Movement(stay_min=(35, 90))),
    Branch(
        name="completed_with_extras",
        weight=100,
        script=_completed_with_extras,
        movement=Movement(stay_min=(45, 110)),
    ),
    Branch(name="rescheduled", weight=30, script=_rescheduled),
    Branch(
        name="reassigned_before_visit",
        weight=25,
        script=_reassigned,
        movement=Movement(place="nowhere", second_after_min=0),
    ),
    Branch(
        name="cancelled_before_visit",
        weight=60,
        script=_cancelled_before_visit,
        movement=Movement(place="nowhere"),
    ),
    Branch(
        name="cancelled_by_platform",
        weight=10,
        script=_cancelled_by_platform,
        movement=Movement(place="nowhere"),
    ),
    Branch(name="complaint_without_offline_service", weight=12, script=_complaint),
    Branch(
        name="start_blocked_then_settled",
        weight=8,
        script=_start_settled,
        leads_to=("action ask_partner_to_create_ticket",),
    ),
    Branch(
        name="impossible_travel",
        weight=2,
        script=_completed,
        leads_to=("alert impossible_travel",),
        movement=Movement(signal="jump"),
    ),
)
