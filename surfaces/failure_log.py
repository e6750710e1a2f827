"""Says once that something fails, and once that it works again."""

from __future__ import annotations

import logging


class FailureLog:
    """Logs a line when what fails about `name` changes, not each time; `failure` is what failed in the latest try."""

    def __init__(self, logger: logging.Logger, name: str) -> None:
        self._logger = logger
        self._name = name
        self.failure = ""

    def note(self, failure: str) -> None:
        """Take notice of the latest try: what failed, empty for nothing."""
        if failure == self.failure:
            return
        if failure:
            self._logger.warning("%s: %s", self._name, failure)
        else:
            self._logger.info("%s: works again", self._name)
        self.failure = failure
