"""When refusing records has to end: something is wrong that the dead letters should not hide (architecture, 3.3)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import msgspec

from schemas.errors import Fatal
from streams.runtime.ports import TP


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalLimits:
    """How many records of one input partition may be refused: in a row, and as a share of the last so many."""

    run_max: int = 500
    share_max: float = 0.5
    window_records: int = 2_000

    @property
    def share_records_max(self) -> int:
        """How many of the last `window_records` may be refused."""
        return int(self.share_max * self.window_records)


class Refusals:
    """Which of the latest records of each input partition were refused, by their number in the order of consumption."""

    def __init__(self, limits: RefusalLimits) -> None:
        """Begin with none."""
        self.changed = False
        """Whether something was noted since this was last set to False."""
        self._limits = limits
        self._numbers: dict[str, deque[int]] = {}
        self._runs: dict[str, int] = {}

    def note(self, tp: TP, number: int, where: str) -> None:
        """Note that the record consumed as the `number`-th of its partition is refused.

        Raises `Fatal`, naming `where` it lies, when that is more than the limits allow.
        """
        numbers = self._numbers.setdefault(tp.name, deque())
        run = self._runs.get(tp.name, 0) + 1 if numbers and numbers[-1] == number - 1 else 1
        numbers.append(number)
        self._runs[tp.name] = run
        while numbers[0] <= number - self._limits.window_records:
            numbers.popleft()
        self.changed = True
        if run > self._limits.run_max:
            told = f"{run} records in a row cannot be accepted"
            raise Fatal(f"{where}: {told}; SOP_REFUSED_RUN_MAX allows {self._limits.run_max}")
        if len(numbers) > self._limits.share_records_max:
            told = f"{len(numbers)} of the last {self._limits.window_records} records of {tp.name} cannot be accepted"
            raise Fatal(f"{where}: {told}; SOP_REFUSED_SHARE_MAX allows {self._limits.share_max:g}")

    def dump(self) -> bytes:
        """Return what is known, as kept in a checkpoint."""
        return _KNOWN.encode((self._runs, {name: list(numbers) for name, numbers in self._numbers.items()}))

    def load(self, blob: bytes) -> None:
        """Go on from what a checkpoint kept."""
        self._runs, numbers = _decoder.decode(blob)
        self._numbers = {name: deque(each) for name, each in numbers.items()}


_KNOWN: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(tuple[dict[str, int], dict[str, list[int]]])
