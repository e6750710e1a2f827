"""What makes two images the same: their hash or, without one, their link (domain.md, "Alerts")."""

from __future__ import annotations

import re
from typing import Final

_PARTS: Final = re.compile(r"(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(\?[^#]*)?", re.DOTALL)
"""Scheme, authority, path and query of a reference (RFC 3986, appendix B), without its fragment."""
_AUTHORITY: Final = re.compile(r"(.*@)?(.*?)(?::([0-9]*))?", re.DOTALL)
_ENCODED: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}


def image_key(sha256: str | None, link: str) -> str | None:
    """Return what identifies an image: its hash in lower case, else its normalised link; None if that is blank."""
    if sha256 is not None:
        return sha256.strip().lower()
    return normalized_link(link) or None


def normalized_link(link: str) -> str:
    """Return a link, given as it came, without white space around it and without its fragment.

    It is normalised by syntax and scheme (RFC 3986, 6.2.2 and 6.2.3); any text has a normalised form.
    """
    matched = _PARTS.match(link.strip())
    assert matched is not None, "every part may be empty"
    scheme, authority, path, query = matched.groups()
    scheme = scheme and scheme.lower()
    text = "" if scheme is None else f"{scheme}:"
    path = _with_normal_escapes(path)
    if authority is not None:
        text += f"//{_normalized_authority(authority, scheme)}"
        path = path or "/"
    if scheme is not None or authority is not None:
        path = _without_dot_segments(path)
    return text + path + _with_normal_escapes(query or "")


def _normalized_authority(authority: str, scheme: str | None) -> str:
    matched = _AUTHORITY.fullmatch(_with_normal_escapes(authority))
    assert matched is not None, "every part may be empty"
    user, host, port = matched.groups()
    kept = f":{port}" if port and port != _DEFAULT_PORTS.get(scheme or "") else ""
    return f"{user or ''}{_with_normal_escapes(host.lower())}{kept}"


def _with_normal_escapes(text: str) -> str:
    """Return a text with its percent-encodings in capitals, and without those of unreserved characters."""

    def normal(matched: re.Match[str]) -> str:
        char = chr(int(matched[1], 16))
        return char if char in _UNRESERVED else matched[0].upper()

    return _ENCODED.sub(normal, text) if "%" in text else text


def _without_dot_segments(path: str) -> str:
    """Return a path without `.` and `..` (RFC 3986, 5.2.4)."""
    kept: list[str] = []
    first, *segments = path.split("/")
    if not segments:  # no slash: the path of a scheme without authority, as in `mailto:`
        return path
    for segment in segments:
        if segment == ".." and kept:
            kept.pop()
        elif segment not in {".", ".."}:
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/".join(("" if first in {".", ".."} else first, *kept))
