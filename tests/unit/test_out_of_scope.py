"""What the facts of an engagement amount to: genuineness, images, route, and whose decision it is."""

from __future__ import annotations

import msgspec
import pytest

from agents.cities import compared, is_among
from schemas.policy.model import Policy
from tests.scenario import POLICY, Scenario, names
from tests.unit.engaged import (
    CANT,
    COMMERCIAL,
    HERE_AT,
    OUT,
    PROOF,
    assessed,
    by_partner,
    claimed,
    decided,
    expected,
    genuine,
    job,
    refused,
    told,
)

GENUINENESS = [
    pytest.param(job(), "none", id="no ticket"),
    pytest.param(job().ticket("10:00", kind="rating_reversal").validated("11:00"), "none", id="other ticket judged"),
    pytest.param(claimed(), "pending", id="not judged"),
    pytest.param(claimed().image("10:05"), "pending", id="image, not judged"),
    pytest.param(claimed().validated("11:00"), "pending", id="genuine without image"),
    pytest.param(genuine(claimed()), "genuine", id="genuine with image"),
    pytest.param(claimed().validated("11:00").image("12:00", by="agent"), "genuine", id="image later, anyone's"),
    pytest.param(refused(claimed()), "not_genuine", id="refused"),
    pytest.param(refused(claimed()).image("10:05"), "not_genuine", id="refused with image"),
    pytest.param(genuine(claimed()).validated("12:00", "not_genuine"), "not_genuine", id="latest refuses"),
    pytest.param(
        refused(claimed()).ticket("11:30", "t2").image("11:40", "t2").validated("12:00", ticket="t2"),
        "genuine",
        id="latest of another ticket",
    ),
    pytest.param(
        claimed().ticket("10:10", "t2").image("10:20", "t2").validated("11:00"), "genuine", id="image elsewhere"
    ),
    pytest.param(claimed(by="agent").image("10:05").validated("11:00"), "genuine", id="agent's ticket"),
    pytest.param(claimed(reason="otp_refused").validated("11:00"), "genuine", id="no code, no image"),
    pytest.param(claimed(reason="payment_refused").validated("11:00"), "genuine", id="no payment, no image"),
    pytest.param(claimed(reason="out_of_scope").validated("11:00"), "pending", id="other reason"),
    pytest.param(claimed(reason="commercial_premises").validated("11:00"), "pending", id="premises need images"),
    pytest.param(
        claimed(reason="otp_refused").ticket("10:10", "t2").validated("11:00", ticket="t2"),
        "pending",
        id="the judged ticket is the claim",
    ),
    pytest.param(
        claimed().ticket("10:10", "t2", reason="otp_refused").validated("11:00", ticket="t2"),
        "genuine",
        id="the judged ticket's reason",
    ),
    pytest.param(claimed(appliance_use="commercial").validated("11:00"), "genuine", id="commercial appliance"),
]


@pytest.mark.parametrize(("case", "genuineness"), GENUINENESS)
def test_genuineness(case: Scenario, genuineness: str) -> None:
    assert assessed(case).genuineness == genuineness


@pytest.mark.parametrize(
    ("images", "count"),
    [
        ((("u1", None), ("u1", None)), 1),
        ((("u1", None), ("u2", None)), 2),
        ((("u1", "a"), ("u2", "a")), 1),
        ((("u1", "a"), ("u1", "b")), 2),
        ((("u1", "a"), ("u1", None)), 2),
    ],
)
def test_images_are_told_apart_by_digest_else_by_link(images: tuple[tuple[str, str | None], ...], count: int) -> None:
    case = claimed()
    for url, sha in images:
        case.image("+1m", url=url, sha=sha)
    assert len(assessed(case).images) == count


@pytest.mark.parametrize(("count", "genuineness"), [(1, "pending"), (2, "genuine"), (3, "genuine")])
def test_as_many_images_as_the_policy_says(count: int, genuineness: str) -> None:
    two = msgspec.structs.replace(POLICY, proof=msgspec.structs.replace(POLICY.proof, min_images=2))
    case = claimed().validated("11:00")
    for number in range(count):
        case.image("+1m", url=f"u{number}")
    a = assessed(case, policy=two)
    assert a.genuineness == genuineness
    evidence = names(decided(a)["tagging"].evidence)
    assert [name for name in evidence if name.startswith("image")] == (["image", "image2"] if count > 1 else [])


ROUTES = [
    pytest.param(Scenario().assigned().ticket("10:00"), "unknown", id="no booking"),
    pytest.param(claimed(), "ticketed", id="live city"),
    pytest.param(claimed(city="Jaipur"), "manual", id="other city"),
    pytest.param(claimed(city="  BENGALURU "), "ticketed", id="alias"),
    pytest.param(claimed(group="rwm"), "bpc_only", id="group in Delhi"),
    pytest.param(claimed(group="rwm", city="new delhi"), "bpc_only", id="group in New Delhi"),
    pytest.param(claimed(group="rwm", city="Bombay"), "bpc_only", id="group in Bombay"),
    pytest.param(claimed(group="rwm", city="Pune"), "ticketed", id="group elsewhere"),
    pytest.param(claimed(group="gold"), "ticketed", id="another group"),
    pytest.param(claimed(group="rwm").assigned("09:30"), "ticketed", id="left the group"),
    pytest.param(claimed(**COMMERCIAL), "commercial", id="premises, not live"),
    pytest.param(claimed(premises="commercial"), "ticketed", id="premises, live"),
    pytest.param(claimed(premises="commercial", category="ro"), "commercial", id="premises, live, excluded"),
    pytest.param(claimed(category="ro"), "ticketed", id="excluded category at home"),
    pytest.param(claimed(city="Jaipur", reason="commercial_premises"), "commercial", id="by the ticket, not live"),
    pytest.param(claimed(category="ro", reason="commercial_premises"), "commercial", id="by the ticket, excluded"),
    pytest.param(claimed(reason="commercial_premises"), "ticketed", id="by the ticket, live"),
    pytest.param(claimed(group="rwm", premises="commercial", category="ro"), "bpc_only", id="group comes first"),
]


@pytest.mark.parametrize(("case", "route"), ROUTES)
def test_route(case: Scenario, route: str) -> None:
    assert assessed(case).route == route


@pytest.mark.parametrize(
    ("name", "form"),
    [("Bengaluru", "bangalore"), ("CALCUTTA", "kolkata"), (" madras\t", "chennai"), ("Jaipur ", "jaipur")],
)
def test_a_city_is_compared_by_one_form(name: str, form: str) -> None:
    assert compared(name, POLICY) == form


def test_a_list_of_the_policy_may_use_an_alias() -> None:
    assert is_among("Mumbai", ("Bombay",), POLICY)
    assert not is_among("Mumbai", (), POLICY)


def test_a_decision_is_about_its_own_partner() -> None:
    case = by_partner(genuine(claimed()).assigned("11:30", "p2"))
    assert told(decided(assessed(case, HERE_AT, partner="p1"))["tagging"]) == expected(f"{OUT} final", "OOS-5", PROOF)
    second = decided(assessed(case, partner="p2"))
    assert {kind: body.outcome for kind, body in second.items()} == {"tagging": CANT, "paf": "upheld"}
    assert {body.partner_id for body in second.values()} == {"p2"}


def test_where_nobody_was_assigned_the_decision_names_nobody() -> None:
    body = decided(assessed(Scenario().booked().ticket("10:00"), partner=None))["tagging"]
    assert (body.partner_id, body.case_id, body.policy) == (None, "job-1", Policy(hash="h").name)
