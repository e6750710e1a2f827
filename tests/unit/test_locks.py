"""What the project depends on is in the lock files that it is installed from."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def names(requirements: list[str]) -> set[str]:
    """Return the normalised names (PEP 503) of requirements."""
    found = (re.match(r"[\w.-]+", each) for each in requirements)
    return {re.sub(r"[-_.]+", "-", name[0]).lower() for name in found if name}


@pytest.mark.parametrize(
    ("lock", "extras"), [("requirements.lock", list(EXTRAS)), ("bench/requirements.txt", ["embedded"])]
)
def test_a_lock_file_has_every_dependency(lock: str, extras: list[str]) -> None:
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / lock).read_text(), re.MULTILINE)
    wanted = names(PROJECT["dependencies"] + [each for extra in extras for each in EXTRAS[extra]])
    assert wanted - {PROJECT["name"]} <= names(pinned)
