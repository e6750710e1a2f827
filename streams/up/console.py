"""What `sop up` shows: a line for every decision, alert and refused event as it comes, and a summary in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from schemas.encoding import decode_dead_letter, decode_message
from schemas.errors import Unacceptable
from schemas.instants import format_instant
from schemas.outputs import ActionMessage, AlertMessage, DeadLetter, DecisionMessage
from schemas.topics import DEAD_LETTERS

_WIDTHS: Final = (20, 15, 11, 36, 11, 3, 12)
_TITLES: Final = ("EFFECTIVE", "WHAT", "CASE", "OUTCOME", "STATUS", "REV", "PARTNER", "WHY")
_STYLES: Final = {
    "provisional": "yellow",
    "final": "green",
    "info": "cyan",
    "warning": "yellow",
    "critical": "bold red",
}


class Board:
    """Shows output messages and counts them."""

    def __init__(self, console: Console) -> None:
        """Take where to show them; on a terminal lines are cut at its width, elsewhere they are whole."""
        self._console = console
        self.decisions: Counter[tuple[str, str]] = Counter()
        self.alerts: Counter[str] = Counter()
        self.actions = 0
        self.dead_letters = 0
        self.cases: set[str] = set()

    def say(self, text: str) -> None:
        """Show a line of text as it is."""
        self._console.print(text, soft_wrap=True, markup=False, highlight=False)

    def head(self) -> None:
        """Show the titles of the columns."""
        self._line(_TITLES, "bold")

    def take(self, topic: str, value: bytes) -> None:
        """Count a record of an output topic, and show it, except actions and alerts that are over."""
        try:
            if topic.endswith(DEAD_LETTERS):
                self.dead_letters += 1
                self._line(dead_letter_cells(decode_dead_letter(value)), _STYLES["critical"])
                return
            message = decode_message(value)
        except Unacceptable as error:
            self.say(f"{topic}: {error}")
            return
        if isinstance(message, DecisionMessage):
            self.decisions[message.body.kind, message.body.outcome] += 1
            self.cases.add(message.body.case_id)
            self._line(decision_cells(message), _STYLES[message.body.status])
        elif isinstance(message, ActionMessage):
            self.actions += message.body.state == "open"
        elif message.body.state == "firing":
            self.alerts[message.body.name] += 1
            self._line(alert_cells(message), _STYLES[message.body.severity])

    def summary(self, sent: int) -> Iterator[str]:
        """Yield the lines that sum up what was sent and what came of it."""
        yield (
            f"{sent} events sent: {self.decisions.total()} decisions on {len(self.cases)} cases, "
            f"{self.actions} actions opened, {self.alerts.total()} alerts, {self.dead_letters} dead letters"
        )
        counted = [(f"{kind} {outcome}", count) for (kind, outcome), count in self.decisions.items()]
        counted += [(f"alert {name}", count) for name, count in self.alerts.items()]
        for name, count in sorted(counted):
            yield f"{count:7d}  {name}"

    def _line(self, cells: Sequence[str], style: str) -> None:
        text = "  ".join(f"{cell:{width}}" for cell, width in zip(cells, (*_WIDTHS, 0), strict=True)).rstrip()
        cut = self._console.is_terminal
        self._console.print(Text(text, style), no_wrap=cut, overflow="ellipsis" if cut else None, soft_wrap=not cut)


def decision_cells(message: DecisionMessage) -> tuple[str, ...]:
    """Return what a decision's line says, by column: reasons and clauses last."""
    body = message.body
    why = ", ".join(body.reasons) + (" " if body.reasons else "") + f"[{', '.join(body.clauses)}]"
    return (
        format_instant(body.effective_at - body.effective_at % 1_000_000),
        body.kind,
        body.case_id,
        body.outcome,
        body.status,
        str(message.revision),
        body.partner_id or "nobody",
        why,
    )


def alert_cells(message: AlertMessage) -> tuple[str, ...]:
    """Return what an alert's line says, by column."""
    body = message.body
    return (
        format_instant(body.starts_at - body.starts_at % 1_000_000),
        "alert",
        body.labels.get("case_id", ""),
        body.name,
        body.severity,
        "",
        body.labels.get("partner_id", ""),
        body.summary,
    )


def dead_letter_cells(letter: DeadLetter) -> tuple[str, ...]:
    """Return what a refused event's line says, by column: where it lies and why it was refused."""
    return ("", "refused", "", f"{letter.topic}-{letter.partition}@{letter.offset}", "", "", "", letter.reason)
