"""How a process logs: one line each, to standard error, nothing of what the events say."""

from __future__ import annotations

import logging
import sys


def log_nowhere() -> None:
    """Keep what libraries log from the terminal: a command tells its user what matters itself."""
    logging.basicConfig(handlers=[logging.NullHandler()])


def log_to_stderr(level: str) -> None:
    """Set up logging at a level; the libraries' loggers stay at WARNING, since at DEBUG they log every message."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level="WARNING", handlers=[handler], force=True)
    for name in ("sop", "streams"):
        logging.getLogger(name).setLevel(level)
