"""Sessions in signed cookies, and the tokens that forms carry against forgery by other sites."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from itsdangerous import BadData, URLSafeTimedSerializer

from schemas.policy.model import HOUR, SECOND

SESSION_S: Final = 8 * HOUR // SECOND
"""After how long somebody has to log in again."""
ENDED_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Session:
    """One browser: its id, and the name of the token with which somebody logged in there, None before that."""

    session_id: str
    name: str | None


class Sessions:
    """Makes and reads session cookies and form tokens, signed with a secret (None: one of this process's own)."""

    def __init__(self, secret: bytes | None) -> None:
        key = secret or secrets.token_bytes(32)
        self._cookies = URLSafeTimedSerializer(key, salt="session")
        self._forms = URLSafeTimedSerializer(key, salt="form")
        self._ended: dict[str, None] = {}

    def begin(self, name: str | None) -> tuple[Session, str]:
        """Return a new session and its cookie; each login begins one, so that an id from before it is worth nothing."""
        session = Session(secrets.token_hex(16), name)
        return session, self._cookies.dumps([session.session_id, name])

    def read(self, cookie: str) -> Session | None:
        """Return the session of a cookie, None for one that is not ours, has expired, or was ended."""
        try:
            session_id, name = self._cookies.loads(cookie, max_age=SESSION_S)
        except (BadData, ValueError, TypeError):
            return None
        return None if session_id in self._ended else Session(session_id, name)

    def end(self, session: Session) -> None:
        """End a session: whoever has a copy of its cookie is logged out too."""
        self._ended[session.session_id] = None
        if len(self._ended) > ENDED_MAX:
            self._ended.pop(next(iter(self._ended)))

    def form_token(self, owner: str) -> str:
        """Return the token for the forms of an owner: a session, or a user whom a proxy names."""
        return self._forms.dumps(owner)

    def is_form_token(self, token: str, owner: str) -> bool:
        """Return whether a form token was made for an owner, and not too long ago."""
        try:
            return bool(self._forms.loads(token, max_age=SESSION_S) == owner)
        except BadData:
            return False
