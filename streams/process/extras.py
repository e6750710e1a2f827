"""Parts of the program whose packages are installed only if somebody asks for them: the distribution's extras."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import UsageError


@contextmanager
def extra(name: str, user: str) -> Iterator[None]:
    """Import what belongs to an extra in a `with` block.

    Raises `UsageError` with the command that installs it if it is not there; `user` is what needs it.
    """
    try:
        yield
    except ImportError as error:
        raise UsageError(f"{user} needs the extra '{name}': pip install 'sop-streams[{name}]'") from error
