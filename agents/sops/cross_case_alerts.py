"""The alerts over several cases (domain.md, "Alerts"); the anomaly agent raises them."""

from __future__ import annotations

from typing import Final

from agents.sops.contract import AlertKind

PROOF_REUSED: Final = AlertKind(
    "proof_reused",
    "critical",
    is_moment=False,
    clauses=("DIS-3", "DIS-6"),
    summary="the same payment proof was given for two cases",
)
MEDIA_REUSED: Final = AlertKind(
    "media_reused",
    "warning",
    is_moment=False,
    clauses=("OOS-13",),
    summary="the same image shows undeliverable work in two cases",
)
PARTNER_OOS_SPIKE: Final = AlertKind(
    "partner_oos_spike",
    "warning",
    is_moment=True,
    clauses=("OOS-1",),
    summary="a partner claims out of scope far more often than the other partners of the city and category",
)
CITY_OOS_SURGE: Final = AlertKind(
    "city_oos_surge",
    "critical",
    is_moment=True,
    clauses=("OOS-1",),
    summary="a city has far more out-of-scope claims in an hour than in the two weeks before",
)
CROSS_CASE_ALERTS: Final = (PROOF_REUSED, MEDIA_REUSED, PARTNER_OOS_SPIKE, CITY_OOS_SURGE)
