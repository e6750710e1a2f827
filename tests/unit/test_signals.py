"""A signal stops a service wherever it strikes."""

from __future__ import annotations

import subprocess
import sys

SIGNALLED_IN_A_DESTRUCTOR = """
import signal
from streams.process.signals import STOP_SIGNALS, StopSignals, end_at_once

class Destroyed:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)

with StopSignals(STOP_SIGNALS, end_at_once):
    Destroyed()
    raise SystemExit("the signal was lost")
"""


def test_a_signal_within_a_destructor_ends_a_service() -> None:
    done = subprocess.run([sys.executable, "-c", SIGNALLED_IN_A_DESTRUCTOR], check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
