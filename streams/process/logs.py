"""Sets up logging: one line per record, to standard error."""

import logging
import sys

from streams.terminal.printable import printable


class OneLine(logging.Formatter):
    """Formats a record as one line of visible characters, whatever its message or traceback contains."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        return printable(super().format(record))


def log_to_stderr(level: str) -> None:
    """Log to standard error at a level; libraries stay at WARNING, since at DEBUG they log every message."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine())
    logging.basicConfig(level="WARNING", handlers=[handler], force=True)
    for name in ("sop", "streams", "surfaces"):
        logging.getLogger(name).setLevel(level)
