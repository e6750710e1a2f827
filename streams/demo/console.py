"""The web console of one `sop up`: it comes and goes without changing anything else."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from streams.config.settings import Settings, environment_with
from streams.embedded_kafka.free_ports import HOST, free_port, is_listening
from streams.process.child import ChildProcess

COMMAND: Final = (sys.executable, "-m", "sop", "console")
LOG: Final = "console.log"
STOP_S: Final = 2.5
POLL_S: Final = 0.1


class DemoConsole:
    """A console that is starting, with its read model and its log in `folder`.

    If its usual port is taken, it gets another one.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        usual = Settings().console_listen
        if settings.console_listen == usual and is_listening(_port(usual)):
            settings = replace(settings, console_listen=f"{HOST}:{free_port()}")
        settings = replace(settings, data_dir=str(folder), database_url="", database_url_file="")
        self._log = folder / LOG
        self._port = _port(settings.console_listen)
        self._address = settings.console_url or f"http://{settings.console_listen}"
        self._child = ChildProcess(COMMAND, self._log, env=environment_with(settings))

    async def announce(self, print_line: Callable[[str], None]) -> None:
        """Print its address once it answers, and why it ended if it does; never return."""
        is_announced = False
        while self._child.exit_status is None:
            if not is_announced and is_listening(self._port):
                print_line(f"the console is at {self._address}")
                is_announced = True
            await asyncio.sleep(POLL_S)
        print_line(f"there is no console: {last_line(self._log)}")
        await asyncio.Event().wait()

    def stop(self) -> None:
        """Stop it. Call this once."""
        self._child.stop(STOP_S)


def last_line(log: Path) -> str:
    """Return the last line of a log that is not blank."""
    lines = log.read_text("utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "nothing")


def _port(listen: str) -> int:
    return int(listen.rpartition(":")[2])
