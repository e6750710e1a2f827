"""Messages that the schemas must refuse: by name, the type of message, and what is done to its recorded example."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Mutation = tuple[str, Callable[[dict[str, Any]], object]]


def data(message_type: str, **members: Any) -> Mutation:
    """Return the mutation that sets members of the data."""
    return message_type, lambda message: message["data"].update(members)


def envelope(message_type: str, **members: Any) -> Mutation:
    """Return the mutation that sets members of the envelope."""
    return message_type, lambda message: message.update(members)


def without(message_type: str, name: str) -> Mutation:
    """Return the mutation that takes a member out of the data."""
    return message_type, lambda message: message["data"].pop(name)


def bare(message_type: str, name: str) -> Mutation:
    """Return the mutation that takes a member out of the envelope."""
    return message_type, lambda message: message.pop(name)


PAF, TAGGING, RATING, REFUND = "decision.paf", "decision.tagging", "decision.rating_reversal", "decision.refund"

MUTATIONS: dict[str, Mutation] = {
    # envelopes of outputs
    "another version of CloudEvents": envelope(PAF, specversion="0.3"),
    "no id": bare(PAF, "id"),
    "an empty id": envelope(PAF, id=""),
    "an id that is no digest": envelope(PAF, id="42"),
    "another source": envelope(PAF, source="/sop/actions"),
    "no subject": bare(REFUND, "subject"),
    "an empty subject": envelope(TAGGING, subject=""),
    "a time that is no instant": envelope(PAF, time="yesterday"),
    "a time without an offset": envelope(PAF, time="2026-11-21T10:00:00"),
    "a time that is not in UTC": envelope(PAF, time="2026-11-21T10:00:00+05:30"),
    "a time with three digits of fraction": envelope(PAF, time="2026-11-21T10:00:00.123Z"),
    "no schema": bare(RATING, "dataschema"),
    "another content type": envelope(RATING, datacontenttype="text/plain"),
    "positions that are none": envelope(PAF, inputs="jobs-3"),
    "no data": bare(PAF, "data"),
    "data that is no object": envelope(PAF, data=[]),
    # decisions
    "an outcome that is no text": data(PAF, outcome=7),
    "an outcome that is no word": data(PAF, outcome="Not upheld!"),
    "no outcome": without(PAF, "outcome"),
    "null for an outcome": data(TAGGING, outcome=None),
    "a decision id that is empty": data(PAF, decision_id=""),
    "a content hash that is cut": data(PAF, content_hash="0123456789abcdef"),
    "a content hash in capitals": data(PAF, content_hash="A" * 32),
    "no content hash": without(TAGGING, "content_hash"),
    "revision 0": data(PAF, revision=0),
    "a revision that is no whole number": data(PAF, revision=1.5),
    "a revision as text": data(PAF, revision="1"),
    "a superseded id that is none": data(PAF, supersedes="the one before"),
    "no superseded id": without(PAF, "supersedes"),
    "a key of two parts": data(PAF, decision_key="job-1|paf"),
    "a key that is not percent-encoded": data(PAF, decision_key="job 1|paf|out_of_scope|p-1"),
    "no key": without(PAF, "decision_key"),
    "no cause, not even null": without(REFUND, "cause"),
    "a cause that is no list": data(PAF, cause="policy"),
    "previous values that are a list": data(PAF, previous=["outcome"]),
    "a previous outcome that is a number": data(PAF, previous={"outcome": 3}),
    "a reference without a source": data(PAF, claim_ref="e-91"),
    "a refund with a claim": data(REFUND, claim_ref="/a#1"),
    "decided as of a day": envelope(PAF, asof="2026-11-21"),
    "not decided as of any time": bare(PAF, "asof"),
    "another kind": data(PAF, kind="refund"),
    "a status of its own": data(PAF, status="pending"),
    "no status": without(REFUND, "status"),
    "a policy without its hash": data(PAF, policy="default"),
    "a policy with another hash": data(PAF, policy="default@xyz"),
    "evidence without a source": data(PAF, evidence=["e-91"]),
    "evidence twice": data(PAF, evidence=["/a#1", "/a#1"]),
    "evidence that is no list": data(PAF, evidence="/a#1"),
    "a clause that is none": data(PAF, clauses=["out of scope"]),
    "a reason that is no word": data(PAF, reasons=[""]),
    "an effective time that is a number": data(PAF, effective_at=1_795_255_200),
    "an explanation that is empty": data(PAF, explanation=""),
    "a case id that is empty": data(PAF, case_id=""),
    "no partner, not even null": without(PAF, "partner_id"),
    "a mark that is a word": data(PAF, cancellation_marked="yes"),
    "a PAF with an apology": data(PAF, apology=True),
    "a PAF with a tag code": data(PAF, tag_code="4.2"),
    "a tagging with an amount": data(TAGGING, proven_amount={"amount": "1.00", "currency": "INR"}),
    "a rating reversal with a count": data(RATING, counts_in_mg=True),
    "a refund with a proof": data(REFUND, proof_url="https://x.example/a.jpg"),
    "an amount that is a number": data(REFUND, proven_amount={"amount": 12.5, "currency": "INR"}),
    "an amount without a currency": data(REFUND, proven_amount={"amount": "12.50"}),
    "a currency in small letters": data(REFUND, proven_amount={"amount": "12.50", "currency": "inr"}),
    "a service date that is a time": data(TAGGING, service_date="2026-11-21T10:00:00Z"),
    "a service date of no calendar": data(TAGGING, service_date="2026-02-30"),
    # actions, alerts, dead letters and acts
    "an action without a code": without("action", "code"),
    "an action in no state": data("action", state="closed"),
    "an action with a number for a parameter": data("action", params={"until": 3}),
    "an action that is due on a day": data("action", due_at="2026-11-21"),
    "an alert of no severity": data("alert", severity="page"),
    "an alert in no state": data("alert", state="open"),
    "an alert with a number for a label": data("alert", labels={"revision": 2}),
    "an alert that never started": without("alert", "starts_at"),
    "a dead letter from before the beginning": data("dead-letter", offset=-1),
    "a dead letter without a reason": data("dead-letter", reason=""),
    "a dead letter without a value, not even null": without("dead-letter", "value"),
    "a dead letter with a header that is no pair": data("dead-letter", headers=[["ce_id"]]),
    "an act without a reason": without("act", "why"),
    "an act of nobody": data("act", who=""),
    "an act on a record without a place": data("act", records=[""]),
    # events
    "a booking without a city": without("job.booked", "city"),
    "a booking with a blank city": data("job.booked", city=" "),
    "a booking beyond the pole": data("job.booked", site={"lat": 90.5, "lon": 0}),
    "a booking at half a place": data("job.booked", site={"lat": 9}),
    "a booking of unknown premises": data("job.booked", premises="office"),
    "six stars": data("job.rated", stars=6),
    "half a star": data("job.rated", stars=0.5),
    "an accuracy below zero": data("location.reported", accuracy_m=-1),
    "a report that may be mocked": data("location.reported", mocked="no"),
    "a ticket of no kind": data("ticket.created", kind="complaint"),
    "a ticket with a long id": data("ticket.created", ticket_id="t" * 257),
    "a proof that was paid in no way": data("ticket.payment_proof_added", method="cheque"),
    "a proof of five decimals": data("ticket.payment_proof_added", amount={"amount": "1.00001", "currency": "INR"}),
    "a proof of a day that is none": data("ticket.payment_proof_added", paid_on="21.11.2026"),
    "an event of a blank subject": envelope("ticket.closed", subject=" "),
    "an event whose source is no reference": envelope("ticket.closed", source="not a reference"),
    "an event without a time": bare("job.closed", "time"),
    "an event with another closure": data("job.closed", closure="done"),
    "a cancellation by nobody": data("cancellation.recorded", by="nobody"),
}
