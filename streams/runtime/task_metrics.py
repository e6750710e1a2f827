"""What a task counts for whoever watches it, beside what it has to know for its work."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class TaskMetrics:
    """Counts of one task, written and read in the event loop; they begin anew with each owner."""

    received: Counter[str] = field(default_factory=Counter)
    """Records handed over, by `topic-partition`; goes on from the records consumed of the last checkpoint."""
    published: Counter[str] = field(default_factory=Counter)
    """Records acknowledged by the broker, by topic."""
    steps: int = 0
    step_s: float = 0.0
    """Seconds spent in all steps."""
    last_step_s: float = 0.0
    tried_again: int = 0
    """How often a single record was tried again, on which the last owner may have ended."""

    def stepped(self, seconds: float) -> None:
        """Count a step."""
        self.steps += 1
        self.step_s += seconds
        self.last_step_s = seconds
