"""Finds the programs in other languages that `make languages` builds."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHORT_LIVED_JAVA = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Options that halve the CPU time of a Java program of a second."""


def plain_environment() -> dict[str, str]:
    """Return the environment without the options that the embedded broker's Java is given."""
    return {name: value for name, value in os.environ.items() if name != "JDK_JAVA_OPTIONS"}


def built(tool: str, made: str) -> Path:
    """Return the path of what was built, from the folder of the project on.

    Without it, or without the tool that runs it, the test is skipped, or fails in CI.
    """
    path = ROOT / made
    reason = None
    if shutil.which(tool) is None:
        reason = f"no {tool} on the PATH"
    elif not path.exists():
        reason = f"no {made}: `make languages` builds it"
    if reason is None:
        return path
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
