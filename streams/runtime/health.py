"""Signs of life of a task for the watchdog, and its counts for the metrics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Health:
    """Signs of life of one task, written in the event loop and read by the watchdog."""

    at_work: bool = False
    """Whether it recovers or is in a step."""
    progress: int = 0
    """Grows with every step, chunk and retry of the store, and with everything read back."""
    unsaved: bool = False
    """Whether there are changes that no checkpoint holds."""
    saves: int = 0
    """Grows with every checkpoint written."""
    saved_at: int = 0
    """The instant (microseconds) up to which a checkpoint holds everything; 0 before recovery."""


@dataclass(slots=True)
class TaskMetrics:
    """Counts of one task, written and read in the event loop; each owner starts at zero."""

    received: Counter[str] = field(default_factory=Counter)
    """Records handed over, by `topic-partition`, including those consumed before the last checkpoint."""
    published: Counter[str] = field(default_factory=Counter)
    """Records acknowledged by the broker, by topic, without progress."""
    steps: int = 0
    step_s: float = 0.0
    """Seconds spent in all steps."""
    last_step_s: float = 0.0
    poison_retries: int = 0
    """How often a single record or name that may have ended the last owner was tried again."""

    def add_step(self, seconds: float) -> None:
        """Count a step."""
        self.steps += 1
        self.step_s += seconds
        self.last_step_s = seconds
