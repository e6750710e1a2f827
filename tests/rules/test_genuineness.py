"""Genuineness of a claim, as tagging shows it: which ticket is the claim, which validation counts, which images."""

from __future__ import annotations

import pytest

from tests.rules.table import Row, job, on_site, row
from tests.rules.test_tagging import UNTAGGED, not_genuine, pending, tagged

TWO_IMAGES = "proof.min_images = 2"

TABLE = [
    # which ticket is the claim
    row("the earliest ticket is the claim", on_site().ticket("09:30", "t2"), pending("t2")),
    row(
        "the ticket that the latest validation names is the claim",
        on_site().ticket("10:10", "t2").validated(ticket="t2"),
        pending("t2 validated"),
    ),
    row(
        "of two creations of one ticket the earlier counts",
        job().ticket("10:30").ticket("10:00", reason="otp_refused").validated(),
        tagged("t12 validated"),
    ),
    row(
        "a ticket first created as another kind is no out-of-scope ticket",
        job().rating_ticket("10:00", "t1").ticket("10:30").validated(),
        UNTAGGED,
    ),
    row(
        "an earlier rating ticket is no claim",
        job().rating_ticket("09:30").ticket(),
        pending("t1"),
    ),
    # which validation counts
    row("the latest: not genuine", on_site().genuine().not_genuine("11:30"), not_genuine("t1 validated2")),
    row("the latest: genuine", on_site().image().not_genuine().validated("11:30"), tagged("t1 validated2 image")),
    row(
        "the latest of any ticket: not genuine",
        on_site().genuine().ticket("11:10", "t2").validated("11:30", "not_genuine", "t2"),
        not_genuine("t2 validated2"),
    ),
    row(
        "the latest of any ticket: genuine",
        on_site().not_genuine().ticket("11:10", "t2").image("11:20", "t2").validated("11:30", ticket="t2"),
        tagged("t2 validated2 image"),
    ),
    row(
        "the latest in time, not in arrival",
        on_site().image().not_genuine("11:30").validated(),
        not_genuine("t1 validated"),
    ),
    row(
        "at one time the greater id is the later",
        on_site().image().not_genuine().validated(),
        tagged("t1 validated2 image"),
    ),
    row("one about an unknown ticket waits", on_site().image().validated(ticket="t9"), pending("t1")),
    row(
        "one about an unknown ticket counts once the ticket is known",
        job().image().validated().ticket("10:00"),
        tagged("t1 validated image"),
    ),
    row(
        "one about a rating ticket says nothing about the claim",
        on_site().image().rating_ticket("10:10").validated(ticket="r1"),
        pending("t1"),
    ),
    # images
    row("not genuine in spite of an image", on_site().image().not_genuine(), not_genuine("t1 validated")),
    row(
        "an image may come after the validation, from anyone",
        on_site().validated().image("13:00", by="customer"),
        tagged("t1 validated image"),
    ),
    row(
        "an image may be on another ticket of the engagement",
        on_site().ticket("10:10", "t2").image("10:20", "t2").validated(),
        tagged("t1 validated image"),
    ),
    row(
        "an image on a rating ticket does not count",
        on_site().rating_ticket("10:10").image("10:20", "r1").validated(),
        pending("t1 validated"),
    ),
    row("two needed, one there", on_site().image().validated(), pending("t1 validated"), policy=TWO_IMAGES),
    row(
        "two needed, the first two of three are cited",
        on_site().image("10:07", url="u1").image("10:05", url="u2").image("10:06", url="u3").validated(),
        tagged("t1 validated image2 image3"),
        policy=TWO_IMAGES,
    ),
    row(
        "one URL twice is one image",
        on_site().image().image("10:06").validated(),
        pending("t1 validated"),
        policy=TWO_IMAGES,
    ),
    row(
        "one sha256 under two URLs is one image, letter case ignored",
        on_site().image(url="u1", sha="a").image("10:06", url="u2", sha="A").validated(),
        pending("t1 validated"),
        policy=TWO_IMAGES,
    ),
    row(
        "two sha256 under one URL are two images",
        on_site().image(sha="a").image("10:06", sha="A").image("10:07", sha="b").validated(),
        tagged("t1 validated image image3"),
        policy=TWO_IMAGES,
    ),
    row(
        "an image with and one without sha256 are two",
        on_site().image(sha="a").image("10:06").validated(),
        tagged("t1 validated image image2"),
        policy=TWO_IMAGES,
    ),
    # where no image is needed
    row("start code refused", on_site(reason="otp_refused").validated(), tagged("t1 validated")),
    row("payment refused", on_site(reason="payment_refused").validated(), tagged("t1 validated")),
    row("out of scope needs an image", on_site(reason="out_of_scope").validated(), pending("t1 validated")),
    row("commercial premises need an image", on_site(premises="commercial").validated(), pending("t1 validated")),
    row(
        "commercial premises as the claim's reason need an image",
        on_site(reason="commercial_premises").validated(),
        pending("t1 validated"),
    ),
    row(
        "the claim's reason counts, not another ticket's",
        on_site().ticket("10:10", "t2", reason="otp_refused").validated(),
        pending("t1 validated"),
    ),
    row(
        "the claim is the validated ticket",
        on_site().ticket("10:10", "t2", reason="otp_refused").validated(ticket="t2"),
        tagged("t2 validated"),
    ),
    row(
        "commercial appliance",
        on_site(appliance_use="commercial").validated(),
        tagged("t1 validated booked", "OOS-5 OOS-6"),
    ),
    row(
        "commercial appliance in a later booking",
        on_site().validated().booked("13:00", appliance_use="commercial"),
        tagged("t1 validated booked2", "OOS-5 OOS-6"),
    ),
    row("domestic appliance needs an image", on_site(appliance_use="domestic").validated(), pending("t1 validated")),
]


@pytest.mark.parametrize("row", TABLE)
def test_genuineness(row: Row) -> None:
    assert row.found() == row.stated()
