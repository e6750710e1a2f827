"""A process that fills the read model of its settings: `python -m tests.read_model_process [--until-end]`.

With `--until-end` it ends with status 0 once all topics are read to their end; otherwise somebody has to end it.
"""

from __future__ import annotations

import sys
import threading

from schemas.errors import Fatal
from streams.config.settings import settings_from
from surfaces.read_model.follower import Follower

POLL_S = 0.05


def main(*options: str) -> None:
    failures: list[Fatal] = []
    failed = threading.Event()

    def on_failure(failure: Fatal) -> None:
        failures.append(failure)
        failed.set()

    with Follower(settings_from(), on_failure) as follower:
        while not failed.wait(POLL_S):
            if follower.has_caught_up and "--until-end" in options:
                break
    if failures:
        raise failures[0]


if __name__ == "__main__":
    main(*sys.argv[1:])
