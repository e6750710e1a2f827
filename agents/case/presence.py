"""Where a partner was at the facts of an engagement for which it matters (domain.md, "Presence")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal

from msgspec import Struct, structs

from agents.case.view import CaseView, Engagement
from agents.presence.queries import LocationFix, PresenceAnswer, PresenceQuery, PresenceQueryKey, PresenceRules
from schemas.events import AnyEvent, Site

State = Literal["on_site", "off_site", "unknown"]
PresenceAnswers = Mapping[PresenceQueryKey, PresenceAnswer]


class PresenceFact(Struct, frozen=True):
    """A fact at whose time it matters where the partner was.

    With `asks_stay` it also matters whether the partner stayed at the site afterwards.
    """

    fact: AnyEvent
    asks_stay: bool = False


class PresenceAt(Struct, frozen=True):
    """Where the partner was at a fact; `answer` is None while the location agent has not answered."""

    fact: AnyEvent
    answer: PresenceAnswer | None
    state: State

    @property
    def fix(self) -> LocationFix | None:
        """The valid report closest in time."""
        return self.answer.closest if self.answer else None

    @property
    def mocked(self) -> LocationFix | None:
        """The mocked report near the fact."""
        return self.answer.mocked if self.answer else None

    @property
    def stay(self) -> LocationFix | None:
        """The later report that shows that the partner stayed at the site."""
        return self.answer.stay if self.answer else None


class EngagementPresence(Struct, frozen=True):
    """Where the partner of an engagement was, by the `ref` of each fact that was asked about."""

    known: Mapping[str, PresenceAt]

    def at(self, fact: AnyEvent) -> PresenceAt:
        """Return where the partner was at a fact."""
        return self.known.get(fact.ref) or PresenceAt(fact, None, "unknown")

    @property
    def fixes(self) -> Iterator[LocationFix]:
        """The location reports that the answers name."""
        for at in self.known.values():
            if at.answer is not None:
                yield from at.answer.fixes


NO_PRESENCE: Final = EngagementPresence({})


def presence_queries(
    view: CaseView, engagement: Engagement, facts: Iterable[PresenceFact], rules: PresenceRules
) -> list[PresenceQuery]:
    """Return the query for each presence fact of an engagement; none where the facts name no partner."""
    partner_id = engagement.partner_id
    if partner_id is None:
        return []
    site = _site(view)
    return [
        PresenceQuery(
            view.case_id,
            partner_id,
            each.fact.ref,
            each.fact.time,
            site if each.asks_stay else None,
            rules,
            each.asks_stay,
        )
        for each in facts
    ]


def engagement_presence(
    view: CaseView,
    engagement: Engagement,
    facts: Iterable[PresenceFact],
    answers: PresenceAnswers,
    rules: PresenceRules,
) -> EngagementPresence:
    """Return where the partner was, measured from the site as it stands now.

    An answer for another time window does not count. One for another site does, except for what it says about a stay.
    """
    facts = tuple(facts)
    if not facts:
        return NO_PRESENCE
    queries = presence_queries(view, engagement, facts, rules)
    site = _site(view)
    known: dict[str, PresenceAt] = {}
    for each, query in zip(facts, queries, strict=False):  # no queries where the facts name no partner
        answer = answers.get(query.key)
        if answer is not None and answer.query.window == query.window:
            counted = answer if answer.query == query else structs.replace(answer, stay=None)
            known[query.fact] = PresenceAt(each.fact, counted, _state(counted, site, rules))
    return EngagementPresence(known)


def _site(view: CaseView) -> Site | None:
    return view.booking.data.site if view.booking else None


def _state(answer: PresenceAnswer, site: Site | None, rules: PresenceRules) -> State:
    metres = answer.distance_m(answer.closest, site) if answer.closest else None
    if metres is None:
        return "unknown"
    return "on_site" if metres <= rules.radius_m else "off_site"
