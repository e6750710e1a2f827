"""Programs that tests need, from the system's packages or from `make languages`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]


def find_tool(*names: str) -> str:
    """Return the first of these programs that there is. Without one the test is skipped, or fails in CI."""
    for name in names:
        if (program := shutil.which(name) or shutil.which(name, path=TOP / "build/tools")) is not None:
            return program
    reason = f"no {names[0]} on the PATH or in build/tools"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def output_of(*command: str | Path, **variables: str) -> str:
    """Return what a command prints in the repository, which has to succeed; `variables` are its only settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SOP_")} | variables
    done = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
