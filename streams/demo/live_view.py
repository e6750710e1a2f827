"""What `sop up` shows: its progress, a row for every decision, firing alert and refused event, and a summary."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from agents.sops import catalogue
from schemas.codec.encoder import decode_dead_letter
from schemas.errors import InvalidMessage
from schemas.outputs import ActionMessage, AlertMessage, AnyDecision, DeadLetter, DecisionMessage
from schemas.timestamps import format_instant
from schemas.topics import DEAD_LETTERS
from streams.demo.row_layout import ViewRow, header, layout_row
from streams.terminal.printable import printable, printable_json

_STYLES: Final = {
    "provisional": "yellow",
    "final": "green",
    "info": "cyan",
    "warning": "yellow",
    "critical": "bold red",
}


class LiveView:
    """Shows and counts output messages: on a terminal as rows that fit its width, otherwise as one line each.

    With `as_json` standard output gets every message as one line of JSON, and standard error gets everything else.
    """

    def __init__(self, console: Console, *, as_json: bool = False) -> None:
        self._console = console
        self._as_json = as_json
        self.decisions: Counter[tuple[str, str]] = Counter()
        self.alerts: Counter[str] = Counter()
        self.actions = 0
        self.dead_letters = 0
        self.cases: set[str] = set()

    def print_line(self, text: str) -> None:
        """Print a line of text without wrapping it, so that it can be copied."""
        console = Console(stderr=True) if self._as_json else self._console
        console.out(printable(text), highlight=False)

    def print_header(self) -> None:
        """Print the titles of the columns."""
        if not self._as_json:
            self._write(header(self._width), "bold")

    def add(self, topic: str, value: bytes) -> None:
        """Count a record of an output topic and show it; actions and resolved alerts have no row."""
        try:
            row = self._count(topic, value)
        except InvalidMessage as error:
            self.print_line(f"{topic}: {error}")
            return
        if self._as_json:
            self._console.out(printable_json(value), highlight=False)
        elif row is not None:
            for line in layout_row(row, self._width):
                self._write(line, _STYLES[row.status or "critical"])

    def print_summary(self, sent: int) -> None:
        """Print the summary, wrapped at spaces on a terminal."""
        for line in self.summary(sent):
            if self._as_json or not self._console.is_terminal:
                self.print_line(line)
            else:
                self._console.print(Text(line))

    def summary(self, sent: int) -> Iterator[str]:
        """Yield the lines of the summary, given the number of events sent."""
        yield (
            f"{sent} events sent: {self.decisions.total()} decisions on {len(self.cases)} cases, "
            f"{self.actions} actions opened, {self.alerts.total()} alerts, {self.dead_letters} dead letters"
        )
        counted = [(f"{kind} {outcome}", count) for (kind, outcome), count in self.decisions.items()]
        counted += [(f"alert {name}", count) for name, count in self.alerts.items()]
        for name, count in sorted(counted):
            yield f"{count:7d}  {name}"

    @property
    def _width(self) -> int | None:
        return self._console.width if self._console.is_terminal else None

    def _count(self, topic: str, value: bytes) -> ViewRow | None:
        """Count a record and return its row if it has one. Raises `InvalidMessage` if it is not a valid output."""
        if topic.endswith(DEAD_LETTERS):
            letter = decode_dead_letter(value)
            self.dead_letters += 1
            return dead_letter_row(letter)
        message = catalogue.decode_message(value)
        if isinstance(message, DecisionMessage):
            self.decisions[message.body.kind, message.body.outcome] += 1
            self.cases.add(message.body.case_id)
            return decision_row(message)
        if isinstance(message, ActionMessage):
            self.actions += message.body.state == "open"
            return None
        if message.body.state != "firing":
            return None
        self.alerts[message.body.name] += 1
        return alert_row(message)

    def _write(self, line: str, style: str) -> None:
        self._console.print(Text(line, style), soft_wrap=True)


def decision_row(message: AnyDecision) -> ViewRow:
    """Return the row of a decision."""
    body = message.body
    return ViewRow(
        effective=_second(body.effective_at),
        what=body.kind,
        case=body.case_id,
        outcome=body.outcome,
        status=body.status,
        revision=str(message.revision),
        partner=body.partner_id or "nobody",
        reasons=", ".join(body.reasons),
        clauses=", ".join(body.clauses),
    )


def alert_row(message: AlertMessage) -> ViewRow:
    """Return the row of an alert."""
    body = message.body
    return ViewRow(
        effective=_second(body.starts_at),
        what="alert",
        case=body.labels.get("case_id", ""),
        outcome=body.name,
        status=body.severity,
        partner=body.labels.get("partner_id", ""),
        reasons=body.summary,
    )


def dead_letter_row(letter: DeadLetter) -> ViewRow:
    """Return the row of a refused event: its place and the reason."""
    place = f"{letter.topic}-{letter.partition}@{letter.offset}"
    return ViewRow(what="refused", outcome=place, reasons=letter.reason)


def _second(instant: int) -> str:
    return format_instant(instant - instant % 1_000_000)


class ProgressLine:
    """A spinner with the current step and its elapsed time, on standard error.

    Without a terminal, `print_line` prints one line per step instead. Call `clear` before printing anything else.
    """

    def __init__(self, print_line: Callable[[str], object]) -> None:
        console = Console(stderr=True)
        self._print_line = None if console.is_terminal else print_line
        spinner = "dots" if console.encoding.startswith("utf") else "line"
        columns = (SpinnerColumn(spinner), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, transient=True)
        self._task: TaskID | None = None

    def show(self, step: str) -> None:
        """Show a new step."""
        self.clear()
        if self._print_line is not None:
            self._print_line(f"{step} …")
            return
        self._task = self._progress.add_task(step, total=None)
        self._progress.start()

    def update(self, step: str) -> None:
        """Change the text of the current step; does nothing without a terminal."""
        if self._task is not None:
            self._progress.update(self._task, description=step)

    def clear(self) -> None:
        """Remove the line if there is one."""
        if self._task is not None:
            self._progress.stop()
            self._progress.remove_task(self._task)
            self._task = None
