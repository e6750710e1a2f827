"""The lock files have every dependency, and the pre-commit hooks run what `make check` runs."""

import re
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

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


def test_the_pre_commit_hooks_run_what_make_check_runs() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (recipe,) = re.findall(r"^check:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    (fast,) = re.findall(r"^FAST := (.*)$", makefile, re.MULTILINE)
    commands = [line.strip().replace("$(BIN)", ".venv/bin").replace("$(FAST)", fast) for line in recipe.splitlines()]
    (repository,) = YAML(typ="safe").load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert [hook["entry"] for hook in repository["hooks"]] == commands
