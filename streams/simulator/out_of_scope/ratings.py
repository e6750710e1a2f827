"""Partners who ask to have a rating reversed: every outcome of the rating reversal table."""

from __future__ import annotations

from functools import partial
from typing import Final, Literal

from streams.simulator.branch import BPC_ONLY_GROUP, Branch, Movement
from streams.simulator.out_of_scope.claims import claim, close_after_parking, partner_cancels
from streams.simulator.story import DAY_MIN, Story


def _ask_for_reversal(story: Story) -> None:
    opened = DAY_MIN + story.rng.between(-300, 300)
    ticket = story.ticket(opened, "rating_reversal", "partner")
    if story.rng.chance(0.3):
        story.ticket_closed(opened + 400, ticket)


def _closed_at_bpc(story: Story, *, validation: Literal["genuine", "not_genuine", "none"] = "genuine") -> None:
    story.opening()
    ticket = claim(story)
    if validation != "none":
        story.validated(31, ticket, validation)
        close_after_parking(story, ticket)
    _rated_after_bpc(story)


def _closed_at_bpc_without_claim(story: Story) -> None:
    story.opening()
    _rated_after_bpc(story)


def _rated_after_bpc(story: Story) -> None:
    story.closed(45, "bpc")
    story.rated(story.rng.between(60, 300), story.rng.whole(1, 2))
    _ask_for_reversal(story)


def _closed_as_completed(story: Story) -> None:
    story.opening()
    story.started(4)
    story.closed(story.job.stay_min - 4)
    story.rated(story.rng.between(100, 300), 1)
    _ask_for_reversal(story)


def _not_closed(story: Story) -> None:
    story.opening()
    story.started(4)
    _ask_for_reversal(story)


def _cancelled(story: Story) -> None:
    story.opening()
    ticket = claim(story)
    story.validated(31, ticket)
    partner_cancels(story)
    close_after_parking(story, ticket)
    _ask_for_reversal(story)


_GRANTED: Final = ("rating_reversal granted",)
_AWAITING: Final = "rating_reversal awaiting_verification"
_DENIED: Final = "rating_reversal denied"

BRANCHES: Final = (
    Branch("rating_granted", 4, _closed_at_bpc, _GRANTED),
    Branch("rating_granted_to_rwm_partner", 2, _closed_at_bpc, _GRANTED, area="bpc_only", group=BPC_ONLY_GROUP),
    Branch("rating_granted_with_silent_device", 1, _closed_at_bpc, _GRANTED, movement=Movement(signal="silent")),
    Branch(
        "rating_presence_conflict",
        2,
        _closed_at_bpc,
        (f"{_AWAITING} (presence_conflict)",),
        movement=Movement(destination="elsewhere"),
    ),
    Branch(
        "rating_awaiting_validation",
        2,
        partial(_closed_at_bpc, validation="none"),
        (f"{_AWAITING} (awaiting_validation)",),
    ),
    Branch("rating_job_not_closed", 1, _not_closed, (f"{_AWAITING} (job_not_closed)",)),
    Branch("rating_not_genuine", 2, partial(_closed_at_bpc, validation="not_genuine"), (f"{_DENIED} (not_genuine)",)),
    Branch("rating_without_claim", 2, _closed_at_bpc_without_claim, (f"{_DENIED} (no_oos_ticket)",)),
    Branch("rating_not_closed_at_bpc", 3, _closed_as_completed, (f"{_DENIED} (not_closed_at_bpc)",)),
    Branch("rating_of_cancelled_job", 1, _cancelled, (f"{_DENIED} (not_closed_at_bpc)",)),
)
