"""Checks the link of a payment proof: it must lead to the image itself (DIS-6; domain.md, "Offline service")."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from typing import Literal
from urllib.parse import urlsplit

from agents.sops.offline_service.policy import Offline
from schemas.policy.patterns import matches

LinkFault = Literal["proof_link_missing", "proof_link_is_ticket", "proof_link_invalid"]


def link_fault(link: str, ticket_ids: Collection[str], policy: Offline) -> LinkFault | None:
    """Return the first fault of a proof's link, given as it came; None if there is none.

    `ticket_ids` are the ids of all tickets of the case. White space around the link is ignored.
    """
    trimmed = link.strip()
    if not trimmed:
        return "proof_link_missing"
    if _is_ticket_id(trimmed, ticket_ids, policy.ticket_id_pattern):
        return "proof_link_is_ticket"
    if not _is_image_link(trimmed, policy.image_link_pattern):
        return "proof_link_invalid"
    return None


def _is_ticket_id(trimmed: str, ticket_ids: Collection[str], pattern: str) -> bool:
    folded = trimmed.casefold()
    if any(ticket_id.casefold() == folded for ticket_id in ticket_ids):
        return True
    return matches(pattern, trimmed)


def _is_image_link(trimmed: str, pattern: str) -> bool:
    """Return whether it is an absolute web address whose path, not its query, looks like that of an image."""
    if any(char.isspace() or unicodedata.category(char) == "Cc" for char in trimmed):
        return False  # the parser below silently drops some of these
    try:
        parts = urlsplit(trimmed)
        _ = parts.port  # raises if it is not a number
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return False
    return matches(pattern, parts.path, ignore_case=True)
