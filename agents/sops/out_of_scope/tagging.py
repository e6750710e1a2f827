"""How an engagement is tagged on its out-of-scope side (domain.md, "Decisions")."""

from __future__ import annotations

from typing import Final

from agents.sops.out_of_scope.assessment import Assessment
from agents.sops.out_of_scope.evidence import claim, images, partners, verdict
from agents.sops.out_of_scope.terms import is_claimed, is_genuine, is_not_genuine, is_pending, partner_cancelled
from agents.sops.tables.decisions import DecisionTable, Row
from agents.sops.tagging import TaggingDecision

TAGGING: Final[DecisionTable[Assessment]] = DecisionTable(
    kind=TaggingDecision,
    applies=(is_claimed,),
    rows=(
        Row(
            name="T1",
            when=(is_genuine,),
            outcome="partner_led_cancellation/out_of_scope",
            clauses=("OOS-5",),
            clauses_if={"OOS-6": lambda a: a.is_commercial_appliance},
            fields={"tag_code": "4.2"},
            evidence=(claim, verdict, images),
        ),
        Row(
            name="T2",
            when=(is_pending,),
            outcome="partner_led_cancellation/out_of_scope",
            status="provisional",
            clauses=("OOS-5",),
            clauses_if={"OOS-6": lambda a: a.is_commercial_appliance},
            fields={"tag_code": "4.2"},
            evidence=(claim, verdict),
        ),
        Row(
            name="T3",
            when=(partner_cancelled,),
            outcome="partner_led_cancellation/cant_deliver",
            clauses=("OOS-14", "OOS-17"),
            evidence=(partners, claim, verdict),
        ),
        Row(
            name="T4",
            when=(is_not_genuine,),
            outcome="none",
            reasons=("not_genuine",),
            clauses=("OOS-5",),
            evidence=(claim, verdict),
        ),
    ),
)
