"""Stories of partners who serve outside the platform: every type, every check that can fail, every refund."""

from collections.abc import Callable
from typing import Final

from streams.simulator.branch import Branch
from streams.simulator.claims import claim, customer_cancels, settle_parking
from streams.simulator.ordinary import add_extras
from streams.simulator.people import Person, draw_person, spell_name
from streams.simulator.sim_event import MINUTE_US, indian_date
from streams.simulator.story import DAY_MIN, HOUR_MIN, Overrides, Story

_REUSED_PROOFS: Final = ("screenshot-a", "screenshot-b")
_NO_IMAGE_LINKS: Final = (
    "https://share.example.com/view?id=77",
    "media.example.com/images/proof.jpg",
    "https://media.example.com/",
    "https:///images/proof.jpg",
)


def _without_booking(story: Story) -> None:
    story.case_id = story.next_ticket_id()


def _cancelled_first(story: Story) -> None:
    story.opening()
    story.cancelled(9, "customer", "other")


def _partly_on_platform(story: Story) -> None:
    story.opening()
    story.started(3)
    add_extras(story)
    story.closed(story.job.stay_min - 4)


def _any_setting(story: Story) -> None:
    story.rng.pick((_without_booking, _cancelled_first, _partly_on_platform))(story)


def _report(story: Story, kind: str = "offline_service", **optional: bool) -> tuple[str, float]:
    """The customer or an agent opens the ticket hours later; returns its id and its minute."""
    minute = story.rng.between(2 * HOUR_MIN, DAY_MIN)
    opened_by = story.rng.pick(("customer", "customer", "agent"))
    return story.ticket(minute, kind, opened_by, **optional), minute


def _ask_back(story: Story, ticket: str, minute: float) -> None:
    story.refund_requested(minute, ticket)


def _proven(story: Story, *, kind: str = "offline_service", reused_of: str = "", **optional: bool) -> None:
    """Report, identify and prove; the refund is asked for with the ticket or after it."""
    with_ticket = not optional and story.rng.chance(0.4)
    asked = {"refund_requested": True} if with_ticket else {}
    ticket, minute = _report(story, kind, **optional, **asked)
    story.identified(minute + 12, ticket)
    story.proof(minute + 25, ticket, reused_of=reused_of)
    if not with_ticket:
        _ask_back(story, ticket, minute + 30)
    story.ticket_closed(minute + DAY_MIN, ticket)


def _full_without_booking(story: Story) -> None:
    _without_booking(story)
    _proven(story)


def _full_after_cancellation(story: Story) -> None:
    _cancelled_first(story)
    _proven(story)


def _partial(story: Story) -> None:
    _partly_on_platform(story)
    _proven(story)


def _indirect(story: Story) -> None:
    _any_setting(story)
    _proven(story, kind="poor_service")


def _suspected(story: Story) -> None:
    _any_setting(story)
    _proven(story, kind="poor_service", offline_suspected=True)


def _reused(story: Story) -> None:
    _any_setting(story)
    _proven(story, reused_of=story.rng.pick(_REUSED_PROOFS))


def _no_refund_wanted(story: Story) -> None:
    _any_setting(story)
    ticket, minute = _report(story)
    story.identified(minute + 12, ticket)
    story.proof(minute + 25, ticket)


def _beside_claim(story: Story) -> None:
    story.opening()
    ticket = claim(story)
    story.validated(30, ticket)
    customer_cancels(story, ticket)
    settle_parking(story, ticket)
    _proven(story)


def _unproven(story: Story) -> None:
    _any_setting(story)
    ticket, minute = _report(story)
    story.identified(minute + 12, ticket)
    _ask_back(story, ticket, minute + 30)
    if story.job.branch == "offline_refund_refused":
        story.ticket_closed(minute + DAY_MIN, ticket)


def _unidentified(story: Story) -> None:
    _any_setting(story)
    ticket, minute = _report(story)
    story.proof(minute + 25, ticket)
    _close_or_not(story, ticket, minute)


def _booking_unknown(story: Story) -> None:
    story.assigned()
    _proven(story)


def _currency_mismatch(story: Story) -> None:
    _partly_on_platform(story)
    story.line_item(30, "line-9", {"amount": "12.50", "currency": "USD"}, "imported part")
    _proven(story)


def _corrected(story: Story) -> None:
    _any_setting(story)
    ticket, minute = _report(story)
    story.identified(minute + 12, ticket)
    story.proof(minute + 25, ticket, {"proof_url": f"#{ticket}"})
    story.proof(minute + 200, ticket)
    _ask_back(story, ticket, minute + 205)


def _close_or_not(story: Story, ticket: str, minute: float) -> None:
    if story.rng.chance(0.6):
        _ask_back(story, ticket, minute + 40)
    if story.rng.chance(0.5):
        story.ticket_closed(minute + DAY_MIN, ticket)


def _stranger(story: Story) -> Person:
    """Return somebody whose name nobody takes for the partner's: no two words begin alike."""
    initials = {word[0] for word in story.job.partner.person.name.split()}
    while True:
        other = draw_person(story.rng)
        if initials.isdisjoint(word[0] for word in other.name.split()):
            return other


def _mistyped(partner_id: str) -> str:
    """Return the id with its last digit one higher, as it is mistyped."""
    return partner_id[:-1] + str((int(partner_id[-1]) + 1) % 10)


def _ticket_as_link(story: Story) -> Overrides:
    number = story.rng.whole(100_000, 999_999)
    return {"proof_url": story.rng.pick((f"#{number}", f"TKT-{number}", f" tkt {number}"))}


def _other_phone(story: Story) -> Overrides:
    return {"payee_phone": f"+91{_stranger(story).phone}"}


def _other_name(story: Story) -> Overrides:
    return {"payee_name": spell_name(_stranger(story).name, story.rng), "payee_phone": None}


def _other_day(story: Story) -> Overrides:
    days = story.rng.pick((-9, -4, -2, 2, 3, 6))
    return {"paid_on": indian_date(story.job.arrive_at + days * DAY_MIN * MINUTE_US)}


def _proof_with(overrides: Callable[[Story], Overrides]) -> Callable[[Story], None]:
    """Return the story of a report whose proof is spoilt by ``changes``."""

    def script(story: Story) -> None:
        _any_setting(story)
        ticket, minute = _report(story)
        story.identified(minute + 12, ticket)
        story.proof(minute + 25, ticket, overrides(story))
        _close_or_not(story, ticket, minute)

    return script


_TAGGED: Final = "tagging offline_service/"
_ANY_TYPE: Final = "*[!)]"  # without reasons: any but not_tagged
_NOT_TAGGED: Final = "tagging offline_service/not_tagged "

BRANCHES: Final = (
    Branch(
        name="offline_without_booking",
        weight=5,
        script=_full_without_booking,
        leads_to=(_TAGGED + "no_booking", "refund eligible_full"),
    ),
    Branch(
        name="offline_after_cancellation",
        weight=6,
        script=_full_after_cancellation,
        leads_to=(_TAGGED + "cancelled_then_served", "refund eligible_full"),
    ),
    Branch(
        name="offline_partial",
        weight=5,
        script=_partial,
        leads_to=(_TAGGED + "partial", "refund eligible_partial"),
    ),
    Branch(
        name="offline_reported_indirectly",
        weight=2,
        script=_indirect,
        leads_to=(_TAGGED + _ANY_TYPE, "refund eligible_*"),
    ),
    Branch(
        name="offline_suspected",
        weight=2,
        script=_suspected,
        leads_to=(_TAGGED + _ANY_TYPE, "refund eligible_*"),
    ),
    Branch(
        name="offline_proof_reused",
        weight=2,
        script=_reused,
        leads_to=(_TAGGED + _ANY_TYPE, "refund eligible_*"),
    ),
    Branch(
        name="offline_no_refund_wanted",
        weight=2,
        script=_no_refund_wanted,
        leads_to=(_TAGGED + _ANY_TYPE,),
    ),
    Branch(
        name="offline_beside_claim",
        weight=2,
        script=_beside_claim,
        leads_to=(
            "tagging partner_led_cancellation/out_of_scope",
            "paf waived",
            _TAGGED + "cancelled_then_served",
            "refund eligible_full",
        ),
    ),
    Branch(
        name="offline_corrected_proof", weight=2, script=_corrected, leads_to=(_TAGGED + _ANY_TYPE, "refund eligible_*")
    ),
    Branch(
        name="offline_refund_refused",
        weight=2,
        script=_unproven,
        leads_to=(_NOT_TAGGED + "(proof_missing)", "refund refused (proof_missing)"),
    ),
    Branch(
        name="offline_awaiting_proof",
        weight=2,
        script=_unproven,
        leads_to=(_NOT_TAGGED + "(proof_missing)", "refund awaiting_proof (proof_missing)"),
    ),
    Branch(
        name="offline_partner_unidentified",
        weight=2,
        script=_unidentified,
        leads_to=(_NOT_TAGGED + "(partner_not_identified)",),
    ),
    Branch(
        name="offline_booking_missing",
        weight=1,
        script=_booking_unknown,
        leads_to=(_NOT_TAGGED + "(booking_missing)", "refund awaiting_proof (booking_missing)"),
    ),
    Branch(
        name="offline_other_currency",
        weight=1,
        script=_currency_mismatch,
        leads_to=(_TAGGED + "partial", "refund awaiting_proof (currency_mismatch)"),
    ),
    Branch(
        name="offline_paid_in_cash",
        weight=3,
        script=_proof_with(lambda _: {"method": "cash"}),
        leads_to=(_NOT_TAGGED + "(cash_payment)",),
    ),
    Branch(
        name="offline_link_missing",
        weight=1,
        script=_proof_with(lambda story: {"proof_url": story.rng.pick(("", "  "))}),
        leads_to=(_NOT_TAGGED + "(proof_link_missing)",),
    ),
    Branch(
        name="offline_link_is_ticket",
        weight=2,
        script=_proof_with(_ticket_as_link),
        leads_to=(_NOT_TAGGED + "(proof_link_is_ticket)",),
    ),
    Branch(
        name="offline_link_invalid",
        weight=1,
        script=_proof_with(lambda story: {"proof_url": story.rng.pick(_NO_IMAGE_LINKS)}),
        leads_to=(_NOT_TAGGED + "(proof_link_invalid)",),
    ),
    Branch(
        name="offline_proof_illegible",
        weight=1,
        script=_proof_with(lambda _: {"legible": False}),
        leads_to=(_NOT_TAGGED + "(proof_illegible)",),
    ),
    Branch(
        name="offline_payee_not_visible",
        weight=1,
        script=_proof_with(lambda story: {"payee_name": story.rng.pick((None, " ")), "payee_phone": None}),
        leads_to=(_NOT_TAGGED + "(payee_not_visible)",),
    ),
    Branch(
        name="offline_payee_name_differs",
        weight=1,
        script=_proof_with(_other_name),
        leads_to=(_NOT_TAGGED + "(payee_mismatch)",),
    ),
    Branch(
        name="offline_payee_phone_differs",
        weight=1,
        script=_proof_with(_other_phone),
        leads_to=(_NOT_TAGGED + "(payee_mismatch)",),
    ),
    Branch(
        name="offline_wrong_partner",
        weight=2,
        script=_proof_with(lambda story: {"claimed_partner_id": _mistyped(story.job.partner.partner_id)}),
        leads_to=(_NOT_TAGGED + "(partner_mismatch)",),
    ),
    Branch(
        name="offline_wrong_date", weight=1, script=_proof_with(_other_day), leads_to=(_NOT_TAGGED + "(date_mismatch)",)
    ),
)
