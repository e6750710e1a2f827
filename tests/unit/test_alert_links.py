"""Alerts lead to the page of the console about their case or partner, whatever their labels are."""

from __future__ import annotations

import pytest

from schemas.outputs import AlertBody, AlertMessage
from surfaces.alert_forwarder.alert import console_link


def alert(subject: str, **labels: str) -> AlertMessage:
    body = AlertBody(
        name="any",
        severity="info",
        state="firing",
        key=tuple(labels),
        labels=labels,
        summary="any",
        evidence=(),
        starts_at=0,
    )
    return AlertMessage(body=body, alert_id="0" * 32, subject=subject)


@pytest.mark.parametrize(
    ("message", "about", "page"),
    [
        (alert("job-1", case_id="job-1", partner_id="p-9"), "case", "/cases/job-1"),
        (alert("job/2", image="https://m.example/a.jpg"), "case", "/cases/job%2F2"),
        (alert("p-9", partner_id="p-9", ticket_id="t1", city="pune"), "partner", "/partners/p-9"),
        (alert("pune", city="pune", hour="2026-11-21T10:00:00Z"), "city", "/"),
        (alert("p-9", case_id="p-9", partner_id="p-9"), "case", "/cases/p-9"),
    ],
)
def test_an_alert_links_to_what_it_is_about(message: AlertMessage, about: str, page: str) -> None:
    assert message.about == about
    assert console_link(message, "https://console/") == f"https://console{page}"
    assert console_link(message, "") == ""
