"""Watches: what they do when facts come late, move or grow old, and that nothing is lost in a checkpoint."""

from __future__ import annotations

import pytest

from agents.anomalies.contributions import contributions
from agents.anomalies.image_watch import ImageState
from agents.anomalies.messages import Assignment, Claim, Contribution, Outlier, Standing, Use, WatchMessage, watch_id
from agents.anomaly_agent import ABOUT, LATE, AnomalyAgent
from agents.case.view import build_case_view
from agents.sops.cross_case_alerts import CROSS_CASE_ALERTS
from agents.watch_state import pack_watch, unpack_watch
from schemas.outputs import AlertBody
from schemas.policy.model import DAY, HOUR, Alert, Policy, PolicySet
from tests.scenario import MIDNIGHT, POLICY, Scenario, policy_with

POLICIES = PolicySet((), POLICY)
AREA, CITY, IMAGE = watch_id("area", "delhi", "ac"), watch_id("city", "delhi"), watch_id("proof", "ab12")
P1, P2 = watch_id("partner", "p1"), watch_id("partner", "p2")
NOW = MIDNIGHT + 12 * HOUR


def agent(remembered: int | None = 10 * DAY) -> AnomalyAgent:
    return AnomalyAgent(POLICIES, remembered=remembered)


def claim(number: int, at: int = NOW, partner: str = "p1") -> Claim:
    return Claim(f"t{number}", f"/s#t{number}", at, partner)


def claimed(watch: str, number: int, at: int = NOW, partner: str = "p1") -> Contribution:
    """Return what a case with a claim and its assignment contributes."""
    assigned = (Assignment(at - 1, partner),)
    area = AREA if watch.startswith("partner") else None
    return Contribution(
        watch, f"job-{number}", MIDNIGHT, area, claims=(claim(number, at, partner),), assignments=assigned
    )


def tell(anomalies: AnomalyAgent, *messages: WatchMessage, now: int = NOW) -> list[AlertBody]:
    """Deliver messages and all that follows, as a worker does; return the alerts."""
    alerts: list[AlertBody] = []
    pending = list(messages)
    while pending:
        for each in pending:
            anomalies.receive(each)
        updates = [anomalies.evaluate(watch, now) for watch in sorted({each.watch for each in pending})]
        alerts += [each.body for update in updates for each in update.alerts]
        pending = [each for update in updates for each in update.messages]
    return alerts


def claims(count: int, watch: str, at: int = NOW, partner: str = "p1") -> list[WatchMessage]:
    return [claimed(watch, number, at, partner) for number in range(count)]


def spike(anomalies: AnomalyAgent) -> list[AlertBody]:
    """Have p1 claim three times; return the alerts."""
    return tell(anomalies, *claims(3, AREA)) + tell(anomalies, *claims(3, P1))


def test_every_alert_has_a_watch() -> None:
    assert ABOUT.keys() == {kind.name for kind in CROSS_CASE_ALERTS}


# What a case contributes


def contributed(case: Scenario, policies: PolicySet = POLICIES) -> dict[str, Contribution]:
    return contributions(build_case_view(case.case_id, case.facts), policies)


def test_a_case_without_tickets_and_partners_contributes_nothing() -> None:
    assert contributed(Scenario()) == contributed(Scenario().booked()) == {}


def test_a_case_contributes_to_its_partners_area_and_city() -> None:
    found = contributed(Scenario().booked().assigned().ticket().image(sha="AB"))
    assert found.keys() == {P1, AREA, CITY, watch_id("media", "ab")}
    assert found[P1].area == AREA
    assert [len(found[each].claims) for each in (P1, AREA, CITY)] == [1, 1, 1]
    assert [len(found[each].assignments) for each in (P1, AREA, CITY)] == [1, 1, 0]


REBOOKED = Scenario().booked(city="Pune").booked("09:00").assigned().ticket()
RECATEGORISED = Scenario().booked(category="ro").booked("09:00").assigned().ticket()
OTHER_KIND = Scenario().booked().ticket(partner_id="p2").image(sha="ab").ticket("09:59", kind="rating_reversal")


@pytest.mark.parametrize(
    ("case", "former"),
    [
        (REBOOKED, {watch_id("area", "pune", "ac"), watch_id("city", "pune")}),
        (RECATEGORISED, {watch_id("area", "delhi", "ro")}),
        (OTHER_KIND, {P2, AREA, CITY, watch_id("media", "ab")}),
    ],
)
def test_it_says_to_former_watches_that_it_contributes_nothing(case: Scenario, former: set[str]) -> None:
    assert {watch for watch, each in contributed(case).items() if not each.times} == former


def test_another_policy_can_have_meant_another_watch() -> None:
    other = policy_with('[city.aliases]\n"New Delhi" = "Dilli"')
    found = contributed(Scenario().booked(city="New Delhi").assigned().ticket(), PolicySet((other,), POLICY))
    dilli = {watch_id("area", "dilli", "ac"), watch_id("city", "dilli")}
    assert {watch: bool(each.times) for watch, each in found.items()} == {P1: True} | dict.fromkeys(dilli, True) | {
        AREA: False,
        CITY: False,
    }


# Late and changed facts


def test_a_partner_stands_out_once_the_others_claims_are_gone() -> None:
    anomalies = agent()
    others = [Contribution(AREA, f"x{n}", MIDNIGHT, claims=(claim(n, NOW, "p2"),)) for n in range(2)]
    assert tell(anomalies, *others) + spike(anomalies) == []
    gone = [Contribution(AREA, each.case_id, MIDNIGHT) for each in others]
    assert [each.labels["ticket_id"] for each in tell(anomalies, *gone)] == ["t0", "t1", "t2"]


def test_a_claim_that_has_left_the_area_is_not_judged_there() -> None:
    anomalies = agent()
    standing = Standing(AREA, "job-1", MIDNIGHT, claim(1), 3, 1, ("/s#t1",))
    anomalies.receive(standing)
    assert anomalies.evaluate(AREA, NOW).messages == []
    anomalies.receive(claimed(AREA, 1))
    assert [type(each) for each in anomalies.evaluate(AREA, NOW).messages] == [Outlier]


def test_an_area_that_judged_an_outdated_standing_raises_nothing() -> None:
    anomalies = agent()
    for each in claims(3, P1):
        anomalies.receive(each)
    standings = anomalies.evaluate(P1, NOW).messages
    outdated = [Outlier(P1, each, 0.0) for each in standings if isinstance(each, Standing)]
    assert len(outdated) == 3
    anomalies.receive(Contribution(P1, "job-0", MIDNIGHT))
    for each in outdated:
        anomalies.receive(each)
    assert anomalies.evaluate(P1, NOW).alerts == []


def test_an_alert_is_sent_once_whatever_comes_again() -> None:
    anomalies = agent()
    assert [each.name for each in spike(anomalies)] == ["partner_oos_spike"] * 3
    assert tell(anomalies, *claims(3, AREA), *claims(3, P1)) == []


def test_an_image_is_reused_until_a_case_withdraws_it() -> None:
    anomalies = agent()
    uses = [Contribution(IMAGE, f"job-{n}", MIDNIGHT, use=Use(f"/s#{n}", NOW + n)) for n in range(2)]
    (firing,) = tell(anomalies, *uses)
    (resolved,) = tell(anomalies, Contribution(IMAGE, "job-0", MIDNIGHT), now=NOW + HOUR)
    assert (firing.state, firing.starts_at, firing.evidence) == ("firing", NOW + 1, ("/s#0", "/s#1"))
    assert (resolved.state, resolved.starts_at, resolved.ends_at) == ("resolved", NOW + 1, NOW + HOUR)
    assert [each.state for each in tell(anomalies, uses[0])] == ["firing"]


# Old facts


@pytest.mark.parametrize(
    ("watch", "kept"), [(P1, 7 * DAY + LATE), (AREA, 7 * DAY + LATE), (CITY, 336 * HOUR + LATE), (IMAGE, 10 * DAY)]
)
def test_a_watch_forgets_what_lies_too_far_behind_the_latest(watch: str, kept: int) -> None:
    def contribution(number: int, at: int) -> Contribution:
        if watch == IMAGE:
            return Contribution(watch, f"job-{number}", MIDNIGHT, use=Use(f"/s#{number}", at))
        return claimed(watch, number, at)

    anomalies = agent()
    assert anomalies.kept_for(watch) == kept
    tell(anomalies, contribution(1, NOW), contribution(2, NOW + kept))
    assert len(cases_in(anomalies, watch)) == 2
    tell(anomalies, contribution(3, NOW + kept + HOUR + 1))
    assert cases_in(anomalies, watch) == {"job-2", "job-3"}


def cases_in(anomalies: AnomalyAgent, watch: str) -> set[str]:
    state = anomalies.watch(watch).state()
    return set(state.uses) if isinstance(state, ImageState) else {each.case_id for each in state.contributions}


def test_what_was_forgotten_stays_forgotten() -> None:
    anomalies = agent()
    tell(anomalies, claimed(P1, 1), claimed(P1, 2, NOW + 30 * DAY), claimed(P1, 1))
    assert cases_in(anomalies, P1) == {"job-2"}


def test_a_departed_watch_remembers_what_it_emitted_and_nothing_else() -> None:
    anomalies = agent()
    assert len(spike(anomalies)) == 3
    watch = anomalies.watch(P1)
    watch.depart()
    assert watch.has_departed
    assert cases_in(anomalies, P1) == set()
    assert tell(anomalies, *claims(3, P1)) == []
    assert cases_in(anomalies, P1) == set()
    watch.depart()
    assert watch.is_empty


def test_the_longest_window_of_all_policies_counts() -> None:
    longer = Policy(label="longer", effective_from=0, hash="h", alert=Alert(spike_window=30 * DAY, surge_hours=1000))
    anomalies = AnomalyAgent(PolicySet((longer,), POLICY), remembered=DAY)
    assert (anomalies.kept_for(P1), anomalies.kept_for(CITY)) == (30 * DAY + LATE, 1000 * HOUR + LATE)


def test_an_image_that_is_forgotten_is_reused_no_more() -> None:
    anomalies = agent()
    tell(anomalies, *(Contribution(IMAGE, f"job-{n}", MIDNIGHT, use=Use(f"/s#{n}", NOW)) for n in range(2)))
    anomalies.watch(IMAGE).depart()
    assert [each.body.state for each in anomalies.evaluate(IMAGE, NOW + DAY).alerts] == ["resolved"]
    assert anomalies.watch(IMAGE).is_empty


def test_a_replay_forgets_nothing() -> None:
    anomalies = agent(None)
    tell(anomalies, *claims(2, P1), *claims(2, AREA))
    late = tell(anomalies, claimed(AREA, 2), claimed(P1, 2), now=NOW + 400 * DAY)
    assert [each.labels["ticket_id"] for each in late] == ["t0", "t1", "t2"]


# Checkpoints


@pytest.mark.parametrize("evaluates", [True, False])
def test_a_watch_goes_on_from_a_checkpoint_as_it_was(*, evaluates: bool) -> None:
    """Also what was received and not evaluated: such a watch may be packed while a worker catches up."""
    straight, packed = agent(), agent()
    messages = [
        *claims(3, P1),
        *claims(3, AREA),
        *(Contribution(CITY, f"job-{n}", MIDNIGHT, claims=(claim(n, NOW + n),)) for n in range(20)),
        *(Contribution(IMAGE, f"job-{n}", MIDNIGHT, use=Use(f"/s#{n}", NOW)) for n in range(2)),
        *(Standing(AREA, f"job-{n}", MIDNIGHT, claim(n), 3, 1, ("/s#t1",)) for n in range(3)),
        Outlier(P1, Standing(AREA, "job-1", MIDNIGHT, claim(1), 3, 3, ("/s#t0", "/s#t1", "/s#t2")), 0.0),
    ]
    for each in messages:
        for anomalies in (straight, packed):
            anomalies.receive(each)
            if evaluates:
                anomalies.evaluate(each.watch, NOW)
        packed.watches = {watch: unpack_watch(pack_watch(found)) for watch, found in packed.watches.items()}
    for watch in (P1, AREA, CITY, IMAGE):
        assert packed.watch(watch).state() == straight.watch(watch).state()
        assert packed.evaluate(watch, NOW) == straight.evaluate(watch, NOW)
        assert pack_watch(packed.watch(watch)) == pack_watch(straight.watch(watch))
