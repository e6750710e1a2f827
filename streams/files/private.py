"""Writes a new file that only its owner may read."""

import os

from schemas.errors import UsageError


def write_private_file(path: str, text: str) -> None:
    """Write a new file with the mode 600; raises `UsageError` if it exists or cannot be written."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
