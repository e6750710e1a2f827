"""A client for the decisions, actions and alerts of sop-streams."""

from sop_client.inbox import Connection, Inbox, Record
from sop_client.messages import (
    Action,
    Alert,
    Decision,
    Event,
    InvalidMessageError,
    Money,
    Paf,
    RatingReversal,
    Refund,
    Tagging,
    parse,
)
from sop_client.posting import Line, NeedsReviewError, PostingTable, difference

__all__ = [
    "Action",
    "Alert",
    "Connection",
    "Decision",
    "Event",
    "Inbox",
    "InvalidMessageError",
    "Line",
    "Money",
    "NeedsReviewError",
    "Paf",
    "PostingTable",
    "RatingReversal",
    "Record",
    "Refund",
    "Tagging",
    "difference",
    "parse",
]
