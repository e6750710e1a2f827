"""What the rows of out-of-scope decisions ask about an engagement (domain.md, "Reading the facts").

The properties of the `Assessment` say what each of them means.
"""

from __future__ import annotations

from typing import Final

from agents.sops.out_of_scope.assessment import Assessment
from agents.sops.tables.terms import Term


def genuineness(a: Assessment) -> str:
    """Return the genuineness of the claim."""
    return f"genuineness: {a.genuineness}"


def presence(a: Assessment) -> str:
    """Return where the partner was."""
    return f"presence: {a.presence.state}"


def route(a: Assessment) -> str:
    """Return the route."""
    return a.route


# the claim

is_claimed: Final = Term[Assessment](
    lambda a: a.is_claimed,
    "out of scope is claimed",
    "out of scope is not claimed",
)
is_genuine: Final = Term[Assessment](
    lambda a: a.is_genuine,
    "the claim is genuine",
    "the claim is not genuine",
    genuineness,
)
is_not_genuine: Final = Term[Assessment](
    lambda a: a.is_not_genuine,
    "the claim is refused as not genuine",
    "the claim is not refused",
    genuineness,
)
is_pending: Final = Term[Assessment](
    lambda a: a.is_pending,
    "the claim is pending",
    "the claim is not pending",
    genuineness,
)
has_no_ticket: Final = Term[Assessment](
    lambda a: a.has_no_ticket,
    "there is no out-of-scope ticket",
    "there is an out-of-scope ticket",
)
partner_opened_a_ticket: Final = Term[Assessment](
    lambda a: a.partner_opened_a_ticket,
    "the partner opened an out-of-scope ticket",
    "the partner opened no out-of-scope ticket",
)

# how the engagement ended

is_cancelled: Final = Term[Assessment](
    lambda a: a.is_cancelled,
    "somebody cancelled",
    "nobody cancelled",
)
is_marked: Final = Term[Assessment](
    lambda a: a.is_marked,
    "a cancellation is marked against the partner",
    "no cancellation is marked against the partner",
)
partner_cancelled: Final = Term[Assessment](
    lambda a: a.partner_cancelled,
    "the partner cancelled",
    "the partner did not cancel",
)
is_closed: Final = Term[Assessment](
    lambda a: a.is_closed,
    "the partner closed the job",
    "the partner did not close the job",
)
is_closed_at_bpc: Final = Term[Assessment](
    lambda a: a.is_closed_at_bpc,
    "the job was closed at BPC",
    "the job was not closed at BPC",
)
asks_for_rating_reversal: Final = Term[Assessment](
    lambda a: bool(a.engagement.rating_tickets),
    "a ticket asks for a rating reversal",
    "no ticket asks for a rating reversal",
)

# where the partner was and which way the SOP goes

was_off_site: Final = Term[Assessment](
    lambda a: a.was_off_site,
    "the partner was off site",
    "the partner was not off site",
    presence,
)
presence_is_unknown: Final = Term[Assessment](
    lambda a: a.presence_is_unknown,
    "nothing shows where the partner was",
    "reports show where the partner was",
    presence,
)
route_is_unknown: Final = Term[Assessment](
    lambda a: a.route == "unknown",
    "the route is unknown, since no booking is",
    "the route is known",
    route,
)
is_bpc_only: Final = Term[Assessment](
    lambda a: a.is_bpc_only,
    "the route is bpc_only",
    "the route is not bpc_only",
    route,
)
is_commercial: Final = Term[Assessment](
    lambda a: a.is_commercial,
    "the route is commercial",
    "the route is not commercial",
    route,
)
