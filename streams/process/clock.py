"""The system clock; no other module reads it."""

import time


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> int:
        """Return microseconds since the Unix epoch."""
        return time.time_ns() // 1000
