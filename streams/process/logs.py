"""How a process logs: one line each, to standard error, nothing of what the events say."""

from __future__ import annotations

import logging
import sys

from streams.terminal.printable import printable


class OneLine(logging.Formatter):
    """Writes every record as one line of visible characters, whatever its message or traceback carries."""

    def __init__(self) -> None:
        """Write the time, the level, the logger and the message."""
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return printable(super().format(record))


def silence_logging() -> None:
    """Keep what libraries log from the terminal: a command tells its user what matters itself."""
    logging.basicConfig(handlers=[logging.NullHandler()])


def log_to_stderr(level: str) -> None:
    """Set up logging at a level; the libraries' loggers stay at WARNING, since at DEBUG they log every message."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine())
    logging.basicConfig(level="WARNING", handlers=[handler], force=True)
    for name in ("sop", "streams"):
        logging.getLogger(name).setLevel(level)
