"""Partners who serve outside the platform: every type, every check of the proof that can fail, every refund."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from streams.simulator.branch import Branch
from streams.simulator.out_of_scope.claims import CLAIM, WAIVED
from streams.simulator.people import Person, draw_person, spell_name
from streams.simulator.sim_event import MINUTE_US, indian_date
from streams.simulator.story import DAY_MIN, HOUR_MIN, Fields, Story

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
    story.opening().cancelled(9, "customer", "other")


def _partly_on_platform(story: Story) -> None:
    story.opening().started(3).extras().closed(story.job.stay_min - 4)


def _any_type(story: Story) -> None:
    story.rng.pick((_no_booking, _cancelled_first, _partly_on_platform))(story)


def _report(story: Story, kind: str = "offline_service", **flags: bool | None) -> Story:
    """The customer or an agent opens a ticket hours later."""
    minute = story.rng.between(2 * HOUR_MIN, DAY_MIN)
    return story.ticket(minute, kind, story.rng.pick(("customer", "customer", "agent")), **flags)


def _proven(story: Story, *, kind: str = "offline_service", reused_of: str = "", suspected: bool = False) -> None:
    """A report with partner and proof; the refund is requested with the ticket or later."""
    with_ticket = not suspected and story.rng.chance(0.4)
    _report(story, kind, offline_suspected=suspected or None, refund_requested=with_ticket or None)
    story.identified().proof(reused_of=reused_of)
    if not with_ticket:
        story.refund_requested()
    _close_next_day(story)


def _close_next_day(story: Story) -> None:
    story.ticket_closed(story.opened_min + DAY_MIN)


def _proven_by_reused_proof(story: Story) -> None:
    _proven(story, reused_of=story.rng.pick(_REUSED_PROOFS))


def _no_refund_wanted(story: Story) -> None:
    _report(story).identified().proof()


def _unproven(story: Story) -> None:
    _report(story).identified().refund_requested()


def _partner_unidentified(story: Story) -> None:
    _report(story).proof()


def _imported_part(story: Story) -> None:
    story.line_item(30, "line-9", {"amount": "12.50", "currency": "USD"}, "imported part")


def _corrected_proof(story: Story) -> None:
    _report(story).identified()
    story.proof({"proof_url": f"#{story.ticket_id}"}).proof(after_min=200).refund_requested(205)


def _maybe_refund_and_close(story: Story) -> None:
    if story.rng.chance(0.6):
        story.refund_requested(40)
    if story.rng.chance(0.5):
        _close_next_day(story)


def _stranger(story: Story) -> Person:
    """Return a person whose name cannot match the partner's: no two words start with the same letter."""
    initials = {word[0] for word in story.job.partner.person.name.split()}
    while True:
        other = draw_person(story.rng)
        if initials.isdisjoint(word[0] for word in other.name.split()):
            return other


def _no_payee(story: Story) -> Fields:
    return {"payee_name": story.rng.pick((None, " ")), "payee_phone": None}


def _no_link(story: Story) -> Fields:
    return {"proof_url": story.rng.pick(("", "  "))}


def _invalid_link(story: Story) -> Fields:
    return {"proof_url": story.rng.pick(_NO_IMAGE_LINKS)}


def _ticket_as_link(story: Story) -> Fields:
    number = story.rng.whole(100_000, 999_999)
    return {"proof_url": story.rng.pick((f"#{number}", f"TKT-{number}", f" tkt {number}"))}


def _other_name(story: Story) -> Fields:
    return {"payee_name": spell_name(_stranger(story).name, story.rng), "payee_phone": None}


def _other_phone(story: Story) -> Fields:
    return {"payee_phone": f"+91{_stranger(story).phone}"}


def _mistyped_partner(story: Story) -> Fields:
    partner_id = story.job.partner.partner_id
    return {"claimed_partner_id": partner_id[:-1] + str((int(partner_id[-1]) + 1) % 10)}


def _other_day(story: Story) -> Fields:
    days = story.rng.pick((-9, -4, -2, 2, 3, 6))
    return {"paid_on": indian_date(story.job.arrive_at + days * DAY_MIN * MINUTE_US)}


def _bad_proof(name: str, weight: float, reason: str, overrides: Callable[[Story], Fields]) -> Branch:
    """Return the branch of a proof that differs from a good one by `overrides` and is not accepted for one reason."""

    def report(story: Story) -> None:
        _report(story).identified().proof(overrides(story))

    return Branch(name, weight, (_any_type, report, _maybe_refund_and_close), (f"{_NOT_TAGGED} ({reason})",))


_INDIRECT: Final = partial(_proven, kind="poor_service")
_SUSPECTED: Final = partial(_proven, kind="poor_service", suspected=True)
_CLAIM_WAIVED: Final = (*CLAIM, Story.validated, Story.customer_cancels, Story.parked)
_UNIDENTIFIED: Final = (_any_type, _partner_unidentified, _maybe_refund_and_close)

_TAGGED_ANY: Final = "tagging offline_service/*[!)]"
"""Matches every tag but `not_tagged`, which has reasons in brackets."""
_ANY_TYPE: Final = (_TAGGED_ANY, "refund eligible_*")
_NO_BOOKING: Final = ("tagging offline_service/no_booking", "refund eligible_full")
_SERVED_LATER: Final = ("tagging offline_service/cancelled_then_served", "refund eligible_full")
_PARTIAL: Final = "tagging offline_service/partial"
_OTHER_CURRENCY: Final = (_PARTIAL, "refund awaiting_proof (currency_mismatch)")
_NOT_TAGGED: Final = "tagging offline_service/not_tagged"
_REFUSED: Final = (f"{_NOT_TAGGED} (proof_missing)", "refund refused (proof_missing)")
_AWAITING: Final = (f"{_NOT_TAGGED} (proof_missing)", "refund awaiting_proof (proof_missing)")
_BOOKING_MISSING: Final = (f"{_NOT_TAGGED} (booking_missing)", "refund awaiting_proof (booking_missing)")

BRANCHES: Final = (
    Branch("offline_without_booking", 5, (_no_booking, _proven), _NO_BOOKING),
    Branch("offline_after_cancellation", 6, (_cancelled_first, _proven), _SERVED_LATER),
    Branch("offline_partial", 5, (_partly_on_platform, _proven), (_PARTIAL, "refund eligible_partial")),
    Branch("offline_reported_indirectly", 2, (_any_type, _INDIRECT), _ANY_TYPE),
    Branch("offline_suspected", 2, (_any_type, _SUSPECTED), _ANY_TYPE),
    Branch("offline_proof_reused", 2, (_any_type, _proven_by_reused_proof), _ANY_TYPE),
    Branch("offline_no_refund_wanted", 2, (_any_type, _no_refund_wanted), (_TAGGED_ANY,)),
    Branch("offline_beside_claim", 2, (*_CLAIM_WAIVED, _proven), (*WAIVED, *_SERVED_LATER)),
    Branch("offline_corrected_proof", 2, (_any_type, _corrected_proof), _ANY_TYPE),
    Branch("offline_refund_refused", 2, (_any_type, _unproven, _close_next_day), _REFUSED),
    Branch("offline_awaiting_proof", 2, (_any_type, _unproven), _AWAITING),
    Branch("offline_partner_unidentified", 2, _UNIDENTIFIED, (f"{_NOT_TAGGED} (partner_not_identified)",)),
    Branch("offline_booking_missing", 1, (Story.assigned, _proven), _BOOKING_MISSING),
    Branch("offline_other_currency", 1, (_partly_on_platform, _imported_part, _proven), _OTHER_CURRENCY),
    _bad_proof("offline_paid_in_cash", 3, "cash_payment", lambda _: {"method": "cash"}),
    _bad_proof("offline_link_missing", 1, "proof_link_missing", _no_link),
    _bad_proof("offline_link_is_ticket", 2, "proof_link_is_ticket", _ticket_as_link),
    _bad_proof("offline_link_invalid", 1, "proof_link_invalid", _invalid_link),
    _bad_proof("offline_proof_illegible", 1, "proof_illegible", lambda _: {"legible": False}),
    _bad_proof("offline_payee_not_visible", 1, "payee_not_visible", _no_payee),
    _bad_proof("offline_payee_name_differs", 1, "payee_mismatch", _other_name),
    _bad_proof("offline_payee_phone_differs", 1, "payee_mismatch", _other_phone),
    _bad_proof("offline_wrong_partner", 2, "partner_mismatch", _mistyped_partner),
    _bad_proof("offline_wrong_date", 1, "date_mismatch", _other_day),
)
