"""Partners who serve outside the platform: every type, every check of the proof that can fail, every refund."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from streams.simulator.branch import Branch
from streams.simulator.ordinary import add_extras
from streams.simulator.out_of_scope.claims import claim, close_after_parking, customer_cancels
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


def _no_booking(story: Story) -> None:
    story.case_id = story.next_ticket_id()


def _cancelled_first(story: Story) -> None:
    story.opening()
    story.cancelled(9, "customer", "other")


def _partly_on_platform(story: Story) -> None:
    story.opening()
    story.started(3)
    add_extras(story)
    story.closed(story.job.stay_min - 4)


def _any_type(story: Story) -> None:
    story.rng.pick((_no_booking, _cancelled_first, _partly_on_platform))(story)


def _report(story: Story, kind: str = "offline_service", **flags: bool) -> tuple[str, float]:
    """The customer or an agent opens a ticket hours later; returns its id and its minute."""
    minute = story.rng.between(2 * HOUR_MIN, DAY_MIN)
    opened_by = story.rng.pick(("customer", "customer", "agent"))
    return story.ticket(minute, kind, opened_by, **flags), minute


def _proven(story: Story, *, kind: str = "offline_service", reused_of: str = "", suspected: bool = False) -> None:
    """A report with partner and proof; the refund is requested with the ticket or later."""
    with_ticket = not suspected and story.rng.chance(0.4)
    flags = {"offline_suspected": suspected, "refund_requested": with_ticket}
    ticket, minute = _report(story, kind, **{name: True for name, is_set in flags.items() if is_set})
    story.identified(minute + 12, ticket)
    story.proof(minute + 25, ticket, reused_of=reused_of)
    if not with_ticket:
        story.refund_requested(minute + 30, ticket)
    story.ticket_closed(minute + DAY_MIN, ticket)


def _full_without_booking(story: Story) -> None:
    _no_booking(story)
    _proven(story)


def _full_after_cancellation(story: Story) -> None:
    _cancelled_first(story)
    _proven(story)


def _partial(story: Story) -> None:
    _partly_on_platform(story)
    _proven(story)


def _reported_indirectly(story: Story, *, suspected: bool = False) -> None:
    _any_type(story)
    _proven(story, kind="poor_service", suspected=suspected)


def _proof_reused(story: Story) -> None:
    _any_type(story)
    _proven(story, reused_of=story.rng.pick(_REUSED_PROOFS))


def _no_refund_wanted(story: Story) -> None:
    _any_type(story)
    ticket, minute = _report(story)
    story.identified(minute + 12, ticket)
    story.proof(minute + 25, ticket)


def _after_out_of_scope_claim(story: Story) -> None:
    story.opening()
    ticket = claim(story)
    story.validated(30, ticket)
    customer_cancels(story, ticket)
    close_after_parking(story, ticket)
    _proven(story)


def _unproven(story: Story, *, ticket_closed: bool) -> None:
    _any_type(story)
    ticket, minute = _report(story)
    story.identified(minute + 12, ticket)
    story.refund_requested(minute + 30, ticket)
    if ticket_closed:
        story.ticket_closed(minute + DAY_MIN, ticket)


def _partner_unidentified(story: Story) -> None:
    _any_type(story)
    ticket, minute = _report(story)
    story.proof(minute + 25, ticket)
    _maybe_refund_and_close(story, ticket, minute)


def _booking_missing(story: Story) -> None:
    story.assigned()
    _proven(story)


def _other_currency(story: Story) -> None:
    _partly_on_platform(story)
    story.line_item(30, "line-9", {"amount": "12.50", "currency": "USD"}, "imported part")
    _proven(story)


def _corrected_proof(story: Story) -> None:
    _any_type(story)
    ticket, minute = _report(story)
    story.identified(minute + 12, ticket)
    story.proof(minute + 25, ticket, {"proof_url": f"#{ticket}"})
    story.proof(minute + 200, ticket)
    story.refund_requested(minute + 205, ticket)


def _maybe_refund_and_close(story: Story, ticket: str, minute: float) -> None:
    if story.rng.chance(0.6):
        story.refund_requested(minute + 40, ticket)
    if story.rng.chance(0.5):
        story.ticket_closed(minute + DAY_MIN, ticket)


def _proof_with(story: Story, overrides: Callable[[Story], Overrides]) -> None:
    """A report whose proof differs from a good one by `overrides`."""
    _any_type(story)
    ticket, minute = _report(story)
    story.identified(minute + 12, ticket)
    story.proof(minute + 25, ticket, overrides(story))
    _maybe_refund_and_close(story, ticket, minute)


def _stranger(story: Story) -> Person:
    """Return a person whose name cannot match the partner's: no two words start with the same letter."""
    initials = {word[0] for word in story.job.partner.person.name.split()}
    while True:
        other = draw_person(story.rng)
        if initials.isdisjoint(word[0] for word in other.name.split()):
            return other


def _cash(_: Story) -> Overrides:
    return {"method": "cash"}


def _no_link(story: Story) -> Overrides:
    return {"proof_url": story.rng.pick(("", "  "))}


def _ticket_as_link(story: Story) -> Overrides:
    number = story.rng.whole(100_000, 999_999)
    return {"proof_url": story.rng.pick((f"#{number}", f"TKT-{number}", f" tkt {number}"))}


def _invalid_link(story: Story) -> Overrides:
    return {"proof_url": story.rng.pick(_NO_IMAGE_LINKS)}


def _illegible(_: Story) -> Overrides:
    return {"legible": False}


def _no_payee(story: Story) -> Overrides:
    return {"payee_name": story.rng.pick((None, " ")), "payee_phone": None}


def _other_name(story: Story) -> Overrides:
    return {"payee_name": spell_name(_stranger(story).name, story.rng), "payee_phone": None}


def _other_phone(story: Story) -> Overrides:
    return {"payee_phone": f"+91{_stranger(story).phone}"}


def _mistyped_partner(story: Story) -> Overrides:
    partner_id = story.job.partner.partner_id
    return {"claimed_partner_id": partner_id[:-1] + str((int(partner_id[-1]) + 1) % 10)}


def _other_day(story: Story) -> Overrides:
    days = story.rng.pick((-9, -4, -2, 2, 3, 6))
    return {"paid_on": indian_date(story.job.arrive_at + days * DAY_MIN * MINUTE_US)}


_TAGGED: Final = "tagging offline_service/"
_TAGGED_ANY: Final = "tagging offline_service/*[!)]"
"""Matches every tag but `not_tagged`, which has reasons in brackets."""
_ANY_TYPE: Final = (_TAGGED_ANY, "refund eligible_*")
_NOT_TAGGED: Final = "tagging offline_service/not_tagged "


def _bad_proof(name: str, weight: float, overrides: Callable[[Story], Overrides], reason: str) -> Branch:
    """Return the branch of a proof that is not accepted for one reason."""
    return Branch(name, weight, partial(_proof_with, overrides=overrides), (f"{_NOT_TAGGED}({reason})",))


BRANCHES: Final = (
    Branch("offline_without_booking", 5, _full_without_booking, (_TAGGED + "no_booking", "refund eligible_full")),
    Branch(
        "offline_after_cancellation",
        6,
        _full_after_cancellation,
        (_TAGGED + "cancelled_then_served", "refund eligible_full"),
    ),
    Branch("offline_partial", 5, _partial, (_TAGGED + "partial", "refund eligible_partial")),
    Branch("offline_reported_indirectly", 2, _reported_indirectly, _ANY_TYPE),
    Branch("offline_suspected", 2, partial(_reported_indirectly, suspected=True), _ANY_TYPE),
    Branch("offline_proof_reused", 2, _proof_reused, _ANY_TYPE),
    Branch("offline_no_refund_wanted", 2, _no_refund_wanted, (_TAGGED_ANY,)),
    Branch(
        "offline_beside_claim",
        2,
        _after_out_of_scope_claim,
        (
            "tagging partner_led_cancellation/out_of_scope",
            "paf waived",
            _TAGGED + "cancelled_then_served",
            "refund eligible_full",
        ),
    ),
    Branch("offline_corrected_proof", 2, _corrected_proof, _ANY_TYPE),
    Branch(
        "offline_refund_refused",
        2,
        partial(_unproven, ticket_closed=True),
        (_NOT_TAGGED + "(proof_missing)", "refund refused (proof_missing)"),
    ),
    Branch(
        "offline_awaiting_proof",
        2,
        partial(_unproven, ticket_closed=False),
        (_NOT_TAGGED + "(proof_missing)", "refund awaiting_proof (proof_missing)"),
    ),
    Branch("offline_partner_unidentified", 2, _partner_unidentified, (_NOT_TAGGED + "(partner_not_identified)",)),
    Branch(
        "offline_booking_missing",
        1,
        _booking_missing,
        (_NOT_TAGGED + "(booking_missing)", "refund awaiting_proof (booking_missing)"),
    ),
    Branch(
        "offline_other_currency",
        1,
        _other_currency,
        (_TAGGED + "partial", "refund awaiting_proof (currency_mismatch)"),
    ),
    _bad_proof("offline_paid_in_cash", 3, _cash, "cash_payment"),
    _bad_proof("offline_link_missing", 1, _no_link, "proof_link_missing"),
    _bad_proof("offline_link_is_ticket", 2, _ticket_as_link, "proof_link_is_ticket"),
    _bad_proof("offline_link_invalid", 1, _invalid_link, "proof_link_invalid"),
    _bad_proof("offline_proof_illegible", 1, _illegible, "proof_illegible"),
    _bad_proof("offline_payee_not_visible", 1, _no_payee, "payee_not_visible"),
    _bad_proof("offline_payee_name_differs", 1, _other_name, "payee_mismatch"),
    _bad_proof("offline_payee_phone_differs", 1, _other_phone, "payee_mismatch"),
    _bad_proof("offline_wrong_partner", 2, _mistyped_partner, "partner_mismatch"),
    _bad_proof("offline_wrong_date", 1, _other_day, "date_mismatch"),
)
