"""Partners who ask to have a rating reversed: every outcome of the rating reversal table."""

from __future__ import annotations

from typing import Final

from streams.simulator.branch import Branch
from streams.simulator.out_of_scope.claims import CLAIM
from streams.simulator.story import DAY_MIN, Story


def _ask_for_reversal(story: Story) -> None:
    story.ticket(DAY_MIN + story.rng.between(-300, 300), "rating_reversal", "partner")
    if story.rng.chance(0.3):
        story.ticket_closed(story.opened_min + 400)


def _rated_after_bpc(story: Story) -> None:
    story.closed(45, "bpc").rated(story.rng.between(60, 300), story.rng.whole(1, 2))


def _genuine(story: Story) -> None:
    story.validated(31).parked()


def _not_genuine(story: Story) -> None:
    story.validated(31, "not_genuine").parked()


def _closed_as_completed(story: Story) -> None:
    story.opening().served(4).rated(story.rng.between(100, 300), 1)


def _not_closed(story: Story) -> None:
    story.opening().started(4)


def _cancelled(story: Story) -> None:
    story.validated(31).partner_cancels().parked()


_REVERSAL: Final = (_rated_after_bpc, _ask_for_reversal)
_CLOSED_AT_BPC: Final = (*CLAIM, _genuine, *_REVERSAL)
_GRANTED: Final = ("rating_reversal granted",)
_CONFLICT: Final = ("rating_reversal awaiting_verification (presence_conflict)",)
_UNVALIDATED: Final = ("rating_reversal awaiting_verification (awaiting_validation)",)
_OPEN: Final = ("rating_reversal awaiting_verification (job_not_closed)",)
_NOT_GENUINE: Final = ("rating_reversal denied (not_genuine)",)
_NO_TICKET: Final = ("rating_reversal denied (no_oos_ticket)",)
_NOT_AT_BPC: Final = ("rating_reversal denied (not_closed_at_bpc)",)

BRANCHES: Final = (
    Branch("rating_granted", 4, _CLOSED_AT_BPC, _GRANTED),
    Branch("rating_granted_to_rwm_partner", 2, _CLOSED_AT_BPC, _GRANTED, area="bpc_only"),
    Branch("rating_granted_with_silent_device", 1, _CLOSED_AT_BPC, _GRANTED, signal="silent"),
    Branch("rating_presence_conflict", 2, _CLOSED_AT_BPC, _CONFLICT, destination="elsewhere"),
    Branch("rating_awaiting_validation", 2, (*CLAIM, *_REVERSAL), _UNVALIDATED),
    Branch("rating_job_not_closed", 1, (_not_closed, _ask_for_reversal), _OPEN),
    Branch("rating_not_genuine", 2, (*CLAIM, _not_genuine, *_REVERSAL), _NOT_GENUINE),
    Branch("rating_without_claim", 2, (Story.opening, *_REVERSAL), _NO_TICKET),
    Branch("rating_not_closed_at_bpc", 3, (_closed_as_completed, _ask_for_reversal), _NOT_AT_BPC),
    Branch("rating_of_cancelled_job", 1, (*CLAIM, _cancelled, _ask_for_reversal), _NOT_AT_BPC),
)
