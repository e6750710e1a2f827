"""What stands after all messages: the part of what was said that no order of arrival may change."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.outputs import WITHDRAWN, ActionMessage, DecisionMessage, OutputMessage

Positions = dict[tuple[str, str, object], object]
"""What stands, by what kind of thing, which case and what about: contents of decisions, open actions, conditions."""


def standing(messages: Iterable[OutputMessage]) -> Positions:
    """Return what stands after messages, those about one thing in their order."""
    stands: Positions = {}
    what: object
    for message in messages:
        if isinstance(message, DecisionMessage):
            key: tuple[str, str, object] = ("decision", message.body.case_id, message.body.key)
            holds, what = message.body.outcome != WITHDRAWN, message.content_hash
        elif isinstance(message, ActionMessage):
            action = message.body
            key = ("action", action.case_id, (action.partner_id, action.code, action.ticket_id))
            holds, what = action.state == "open", f"{action.params}, due {action.due_at}"
        elif message.body.state == "firing" and message.body.ends_at is not None:
            continue  # about a moment
        else:
            key = ("condition", message.subject, message.alert_id)
            holds, what = message.body.state == "firing", message.body.labels
        stands.pop(key, None)
        if holds:
            stands[key] = what
    return stands
