"""Stories of partners who ask for a rating to be taken back: every outcome of that table."""

from typing import Final

from streams.simulator.branch import BPC_ONLY_GROUP, Branch, Movement
from streams.simulator.claims import claim, partner_cancels, settle_parking
from streams.simulator.story import DAY_MIN, Story


def _ask_for_reversal(story: Story) -> None:
    opened = DAY_MIN + story.rng.between(-300, 300)
    ticket = story.ticket(opened, "rating_reversal", "partner")
    if story.rng.chance(0.3):
        story.ticket_closed(opened + 400, ticket)


def _closed_at_bpc(story: Story) -> None:
    branch = story.job.branch
    story.opening()
    if branch != "rating_without_claim":
        ticket = claim(story)
        if branch != "rating_awaiting_validation":
            verdict = "not_genuine" if branch == "rating_not_genuine" else "genuine"
            story.validated(31, ticket, verdict)
            settle_parking(story, ticket)
    story.closed(45, "bpc")
    story.rated(story.rng.between(60, 300), story.rng.whole(1, 2))
    _ask_for_reversal(story)


def _closed_as_completed(story: Story) -> None:
    story.opening()
    story.started(4)
    story.closed(story.job.stay_min - 4)
    story.rated(story.rng.between(100, 300), 1)
    _ask_for_reversal(story)


def _never_closed(story: Story) -> None:
    story.opening()
    story.started(4)
    _ask_for_reversal(story)


def _only_cancelled(story: Story) -> None:
    story.opening()
    ticket = claim(story)
    story.validated(31, ticket)
    partner_cancels(story)
    settle_parking(story, ticket)
    _ask_for_reversal(story)


_RATING: Final = "rating_reversal "

BRANCHES: Final = (
    Branch(name="rating_granted", weight=4, script=_closed_at_bpc, leads_to=(_RATING + "granted",)),
    Branch(
        name="rating_granted_to_rwm_partner",
        weight=2,
        script=_closed_at_bpc,
        leads_to=(_RATING + "granted",),
        area="bpc_only",
        group=BPC_ONLY_GROUP,
    ),
    Branch(
        name="rating_granted_with_silent_device",
        weight=1,
        script=_closed_at_bpc,
        leads_to=(_RATING + "granted",),
        movement=Movement(signal="silent"),
    ),
    Branch(
        name="rating_presence_conflict",
        weight=2,
        script=_closed_at_bpc,
        leads_to=(_RATING + "awaiting_verification (presence_conflict)",),
        movement=Movement(place="elsewhere"),
    ),
    Branch(
        name="rating_awaiting_validation",
        weight=2,
        script=_closed_at_bpc,
        leads_to=(_RATING + "awaiting_verification (awaiting_validation)",),
    ),
    Branch(
        name="rating_job_not_closed",
        weight=1,
        script=_never_closed,
        leads_to=(_RATING + "awaiting_verification (job_not_closed)",),
    ),
    Branch(
        name="rating_not_genuine",
        weight=2,
        script=_closed_at_bpc,
        leads_to=(_RATING + "denied (not_genuine)",),
    ),
    Branch(
        name="rating_without_claim",
        weight=2,
        script=_closed_at_bpc,
        leads_to=(_RATING + "denied (no_oos_ticket)",),
    ),
    Branch(
        name="rating_not_closed_at_bpc",
        weight=3,
        script=_closed_as_completed,
        leads_to=(_RATING + "denied (not_closed_at_bpc)",),
    ),
    Branch(
        name="rating_of_cancelled_job",
        weight=1,
        script=_only_cancelled,
        leads_to=(_RATING + "denied (not_closed_at_bpc)",),
    ),
)
