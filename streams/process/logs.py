"""Sets up logging: one line per record, to standard error, as text or as JSON."""

import json
import logging
import sys
from typing import Final

from schemas.timestamps import format_instant
from streams.terminal.printable import printable

JSON: Final = "json"


class OneLine(logging.Formatter):
    """Formats a record as one line of visible characters, whatever its message or traceback contains."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        return printable(super().format(record))


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object: `time` (RFC 3339, UTC), `level`, `logger`, `message`, and `error` if any."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of ASCII."""
        fields = {
            "time": format_instant(int(record.created * 1_000_000)),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            fields["error"] = self.formatException(record.exc_info)
        return json.dumps(fields)


def log_to_stderr(level: str, style: str) -> None:
    """Log to standard error at a level, in a style: `text` or `json`.

    Libraries stay at WARNING, since at DEBUG they log every message.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if style == JSON else OneLine())
    logging.basicConfig(level="WARNING", handlers=[handler], force=True)
    for name in ("sop", "streams", "surfaces"):
        logging.getLogger(name).setLevel(level)


def error_line(message: str, style: str) -> str:
    """Return the line about the error that ends a command, in the style of the log."""
    if style != JSON:
        return f"sop: {message}"
    return JsonLines().format(logging.makeLogRecord({"name": "sop", "levelname": "ERROR", "msg": message}))
