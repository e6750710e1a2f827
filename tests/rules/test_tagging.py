"""Tagging of out-of-scope cases: every row of its table, their precedence, and what makes a claim genuine."""

from __future__ import annotations

import msgspec
import pytest

from schemas.policy.model import Policy, Proof
from tests.rules.table import CODE, Row, away, begun, dropped, here, proven, quit_job, refuted, row, struck, unseen
from tests.scenario import Scenario, ruled

OOS = "partner_led_cancellation/out_of_scope"
CANT = "partner_led_cancellation/cant_deliver"
TWO_IMAGES = Policy(hash="h", proof=Proof(min_images=2))
NO_IMAGES = Policy(hash="h", proof=Proof(min_images=0))

TABLE = [
    # when it is decided at all
    row("nothing but an assignment", begun(), None),
    row("the customer cancelled as out of scope, no ticket", dropped(begun()), None),
    row("the partner cancelled for another reason, no ticket", quit_job(begun(), reason="other"), None),
    row("a rating ticket only", begun().ticket("10:00", "r1", kind="rating_reversal"), None),
    # genuine
    row("genuine", proven(here()), ruled(OOS, "final", "OOS-5", "t1 validated image", "11:00", **CODE)),
    row("genuine, unseen", proven(unseen()), ruled(OOS, "final", "OOS-5", "t1 validated image", "11:00", **CODE)),
    row("genuine, off site", proven(away()), ruled(OOS, "final", "OOS-5", "t1 validated image", "11:00", **CODE)),
    row(
        "genuine, before the partner cancelled",
        quit_job(proven(here())),
        ruled(OOS, "final", "OOS-5", "t1 validated image", "11:00", **CODE),
    ),
    row(
        "genuine, opened by the customer",
        proven(here(by="customer")),
        ruled(OOS, "final", "OOS-5", "t1 validated image", "11:00", **CODE),
    ),
    row(
        "genuine, image of the customer after the verdict",
        here().validated("11:00").image("13:00", by="customer"),
        ruled(OOS, "final", "OOS-5", "t1 validated image", "13:00", **CODE),
    ),
    row(
        "genuine, start code refused: no image needed",
        here(reason="otp_refused").validated("11:00"),
        ruled(OOS, "final", "OOS-5", "t1 validated", "11:00", **CODE),
    ),
    row(
        "genuine, payment refused: no image needed, none cited",
        proven(here(reason="payment_refused")),
        ruled(OOS, "final", "OOS-5", "t1 validated", "11:00", **CODE),
    ),
    row(
        "genuine, commercial appliance: the booking stands for the image",
        here(appliance_use="commercial").validated("11:00"),
        ruled(OOS, "final", "OOS-5 OOS-6", "t1 validated booked", "11:00", **CODE),
    ),
    row(
        "genuine, commercial appliance told by a later booking",
        here().validated("11:00").booked("13:00", appliance_use="commercial"),
        ruled(OOS, "final", "OOS-5 OOS-6", "t1 validated booked2", "13:00", **CODE),
    ),
    row(
        "genuine, commercial appliance and start code refused: the claim's reason made images needless",
        here(appliance_use="commercial", reason="otp_refused").validated("11:00"),
        ruled(OOS, "final", "OOS-5 OOS-6", "t1 validated", "11:00", **CODE),
    ),
    row(
        "commercial premises need images like others",
        here(premises="commercial").validated("11:00"),
        ruled(OOS, "provisional", "OOS-5", "t1 validated", "11:00", **CODE),
    ),
    row(
        "images on another ticket of the engagement count",
        here().ticket("10:10", "t2").image("10:20", "t2").validated("11:00", ticket="t1"),
        ruled(OOS, "final", "OOS-5", "t1 validated image", "11:00", **CODE),
    ),
    row(
        "no image needed: the claim's reason counts, not that of another ticket",
        here().ticket("10:10", "t2", reason="otp_refused").validated("11:00", ticket="t1"),
        ruled(OOS, "provisional", "OOS-5", "t1 validated", "11:00", **CODE),
    ),
    row(
        "no image needed: the validated ticket is the claim",
        here().ticket("10:10", "t2", reason="otp_refused").validated("11:00", ticket="t2"),
        ruled(OOS, "final", "OOS-5", "t2 validated", "11:00", **CODE),
    ),
    row(
        "of two distinct images the first is cited",
        here().image("10:05", url="u1").image("10:06", url="u2").validated("11:00"),
        ruled(OOS, "final", "OOS-5", "t1 validated image", "11:00", **CODE),
    ),
    row(
        "policy of two images: one digest under two links is one",
        here().image("10:05", url="u1", sha="a").image("10:06", url="u2", sha="a").validated("11:00"),
        ruled(OOS, "provisional", "OOS-5", "t1 validated", "11:00", **CODE),
        policy=TWO_IMAGES,
    ),
    row(
        "policy of two images: one link twice is one",
        here().image("10:05").image("10:06").validated("11:00"),
        ruled(OOS, "provisional", "OOS-5", "t1 validated", "11:00", **CODE),
        policy=TWO_IMAGES,
    ),
    row(
        "policy of two images: two digests under one link are two",
        here().image("10:05", sha="a").image("10:06", sha="A").image("10:07", sha="b").validated("11:00"),
        ruled(OOS, "final", "OOS-5", "t1 validated image image3", "11:00", **CODE),
        policy=TWO_IMAGES,
    ),
    row(
        "policy without images: the verdict is enough",
        here().validated("11:00"),
        ruled(OOS, "final", "OOS-5", "t1 validated", "11:00", **CODE),
        policy=NO_IMAGES,
    ),
    # pending
    row("pending", here(), ruled(OOS, "provisional", "OOS-5", "t1", "10:00", **CODE)),
    row(
        "pending without a verdict although there is an image",
        here().image("10:05"),
        ruled(OOS, "provisional", "OOS-5", "t1", "10:00", **CODE),
    ),
    row(
        "pending for want of an image",
        here().validated("11:00"),
        ruled(OOS, "provisional", "OOS-5", "t1 validated", "11:00", **CODE),
    ),
    row(
        "pending, commercial appliance",
        here(appliance_use="commercial"),
        ruled(OOS, "provisional", "OOS-5 OOS-6", "t1", "10:00", **CODE),
    ),
    row(
        "pending before the partner's cancellation",
        quit_job(here()),
        ruled(OOS, "provisional", "OOS-5", "t1", "10:00", **CODE),
    ),
    row(
        "pending, two tickets: the earliest is the claim",
        here().ticket("09:30", "t2"),
        ruled(OOS, "provisional", "OOS-5", "t2", "09:30", **CODE),
        now="11:00",
    ),
    row(
        "a verdict about an unknown ticket waits",
        here().image("10:05").validated("11:00", ticket="t9"),
        ruled(OOS, "provisional", "OOS-5", "t1", "10:00", **CODE),
    ),
    row(
        "a verdict about a rating ticket is none about the claim",
        here().image("10:05").ticket("10:10", "r1", kind="rating_reversal").validated("11:00", ticket="r1"),
        ruled(OOS, "provisional", "OOS-5", "t1", "10:00", **CODE),
    ),
    # the partner cancelled
    row(
        "not genuine, partner cancelled",
        quit_job(refuted(here())),
        ruled(CANT, "final", "OOS-14 OOS-17", "t1 validated cancelled", "12:00"),
    ),
    row(
        "not genuine, partner cancelled for another reason",
        quit_job(refuted(here()), reason="other"),
        ruled(CANT, "final", "OOS-14 OOS-17", "t1 validated cancelled", "12:00"),
    ),
    row(
        "no ticket, out of scope",
        quit_job(begun(), reason="out_of_scope"),
        ruled(CANT, "final", "OOS-14 OOS-17", "cancelled", "12:00"),
    ),
    row("no ticket, can't deliver", quit_job(begun()), ruled(CANT, "final", "OOS-14 OOS-17", "cancelled", "12:00")),
    row(
        "no ticket, pro cannot deliver, not marked",
        quit_job(begun(), reason="pro_cannot_deliver", marked="none"),
        ruled(CANT, "final", "OOS-14 OOS-17", "cancelled", "12:00"),
    ),
    row(
        "the earliest cancellation by the partner is cited, whatever its reason",
        quit_job(quit_job(dropped(begun(), "10:00"), "11:00", reason="other"), "12:00"),
        ruled(CANT, "final", "OOS-14 OOS-17", "cancelled2", "11:00"),
    ),
    # not genuine
    row("not genuine", refuted(here()), ruled("none", "final", "OOS-5", "t1 validated", "11:00", "not_genuine")),
    row(
        "not genuine despite images, customer cancelled, marked",
        struck(refuted(here().image("10:05"))),
        ruled("none", "final", "OOS-5", "t1 validated", "11:00", "not_genuine"),
    ),
    row(
        "not genuine, commercial appliance: not cited",
        refuted(here(appliance_use="commercial")),
        ruled("none", "final", "OOS-5", "t1 validated", "11:00", "not_genuine"),
    ),
    row(
        "the latest verdict counts: not genuine",
        proven(here()).validated("11:30", "not_genuine"),
        ruled("none", "final", "OOS-5", "t1 validated2", "11:30", "not_genuine"),
    ),
    row(
        "the latest verdict counts: genuine",
        refuted(here().image("10:05")).validated("11:30"),
        ruled(OOS, "final", "OOS-5", "t1 validated2 image", "11:30", **CODE),
    ),
    row(
        "the latest verdict of any ticket counts, and names the claim",
        proven(here()).ticket("11:10", "t2").validated("11:30", "not_genuine", "t2"),
        ruled("none", "final", "OOS-5", "t2 validated2", "11:30", "not_genuine"),
    ),
    row(
        "later in time counts, whatever came in later",
        here().image("10:05").validated("11:30", "not_genuine").validated("11:00"),
        ruled("none", "final", "OOS-5", "t1 validated", "11:30", "not_genuine"),
        now="12:00",
    ),
    row(
        "at one time the greater id is the later",
        here().image("10:05").validated("11:00", "not_genuine").validated("11:00"),
        ruled(OOS, "final", "OOS-5", "t1 validated2 image", "11:00", **CODE),
    ),
    # a ticket created twice
    row(
        "of two creations of one ticket the earliest counts",
        begun().ticket("10:30", "t1").ticket("10:00", "t1", reason="otp_refused").validated("11:00"),
        ruled(OOS, "final", "OOS-5", "t12 validated", "11:00", **CODE),
    ),
    row(
        "a ticket first created as another kind is no out-of-scope ticket",
        begun().ticket("10:00", "t1", kind="rating_reversal").ticket("10:30", "t1").validated("11:00"),
        None,
    ),
]


@pytest.mark.parametrize("row", TABLE)
def test_tagging_follows_the_table(row: Row) -> None:
    assert row.outcome().ruling("tagging", row.partner) == row.expected


def test_the_body_names_case_partner_and_policy() -> None:
    body = proven(here()).verdict().body("tagging")
    assert body is not None
    assert (body.case_id, body.partner_id, body.policy) == ("job-1", "p1", "default@h")


def test_nobody_assigned_decides_for_nobody() -> None:
    outcome = Scenario().booked().ticket("10:00").verdict()
    assert outcome.ruling("tagging", None) == ruled(OOS, "provisional", "OOS-5", "t1", "10:00", **CODE)


def test_a_hash_in_a_source_is_escaped_in_evidence() -> None:
    case = here()
    case.facts = [msgspec.structs.replace(f, source="/a#b") if f.id == "t1" else f for f in case.facts]
    body = case.verdict().body("tagging")
    assert body is not None
    assert body.evidence == ("/a%23b#t1",)
