"""Stops the worker when it refuses too many records: dead letters should not hide that something is wrong.

The limits are described in runtime.md, "Delivery guarantees".
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import msgspec

from schemas.errors import Fatal
from streams.runtime.ports import TP


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalLimits:
    """How many records of one input partition may be refused: in a row, and as a share of a window of records."""

    run_max: int = 500
    share_max: float = 0.5
    window_records: int = 2_000

    @property
    def share_records_max(self) -> int:
        """How many records of a window may be refused."""
        return int(self.share_max * self.window_records)


class Refusals:
    """The refused records in the current window of each input partition; checkpoints contain them.

    A record is identified by its number, its position among the consumed records of its partition, from 1.
    """

    def __init__(self, limits: RefusalLimits) -> None:
        self.changed = False
        """Whether a record was added since this was last set to False."""
        self._limits = limits
        self._numbers: dict[str, deque[int]] = {}
        self._runs: dict[str, int] = {}

    def add(self, tp: TP, number: int, record: str) -> None:
        """Add a refused record.

        Raises `Fatal`, which names the record, if a limit is exceeded.
        """
        numbers = self._numbers.setdefault(tp.name, deque())
        run = self._runs.get(tp.name, 0) + 1 if numbers and numbers[-1] == number - 1 else 1
        numbers.append(number)
        self._runs[tp.name] = run
        window = self._limits.window_records
        while numbers[0] <= number - window:
            numbers.popleft()
        self.changed = True
        if run > self._limits.run_max:
            raise Fatal(f"{record}: {run} records in a row refused; SOP_REFUSED_RUN_MAX is {self._limits.run_max}")
        if len(numbers) > self._limits.share_records_max:
            share = f"{len(numbers)} of the last {window} records of {tp.name} refused"
            raise Fatal(f"{record}: {share}; SOP_REFUSED_SHARE_MAX is {self._limits.share_max:g}")

    def dump(self) -> bytes:
        """Return what a checkpoint keeps."""
        return _ENCODER.encode((self._runs, {name: list(numbers) for name, numbers in self._numbers.items()}))

    def load(self, blob: bytes) -> None:
        """Resume from what a checkpoint kept."""
        self._runs, numbers = _DECODER.decode(blob)
        self._numbers = {name: deque(each) for name, each in numbers.items()}


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(tuple[dict[str, int], dict[str, list[int]]])
