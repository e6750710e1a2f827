"""The current state after a sequence of messages: the part that must not depend on the order of arrival."""

from __future__ import annotations

from collections.abc import Iterable

from agents.sops.keys import decision_key
from schemas.outputs import WITHDRAWN, ActionMessage, AlertMessage, DecisionMessage, OutputMessage

CurrentState = dict[tuple[str, str, object], object]
"""Decisions, open actions and firing conditions, by (type, case id or subject, key)."""


def condition_of(message: AlertMessage) -> str:
    """Return what a condition is of: its subject or, if it concerns several cases, the image."""
    return message.body.labels.get("image", message.subject)


def current_state(messages: Iterable[OutputMessage]) -> CurrentState:
    """Return the current state after messages; messages with one key come in the order of their revisions."""
    state: CurrentState = {}
    value: object
    for message in messages:
        if isinstance(message, DecisionMessage):
            key: tuple[str, str, object] = ("decision", message.body.case_id, decision_key(message.body))
            is_current, value = message.body.outcome != WITHDRAWN, message.content_hash
        elif isinstance(message, ActionMessage):
            action = message.body
            key = ("action", action.case_id, (action.partner_id, action.code, action.ticket_id))
            is_current, value = action.state == "open", f"{action.params}, due {action.due_at}"
        elif message.body.state == "firing" and message.body.ends_at is not None:
            continue  # a moment alert
        else:
            key = ("condition", condition_of(message), message.alert_id)
            is_current, value = message.body.state == "firing", message.body.labels
        state.pop(key, None)
        if is_current:
            state[key] = value
    return state
