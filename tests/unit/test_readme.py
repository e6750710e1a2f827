"""What the README says of settings and commands is what there is."""

import re
from pathlib import Path

import pytest

from sop.main import COMMANDS
from streams.config.settings import VARIABLES, environment_with, settings_from

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(SOP_\w+)` \| (?:`(.*?)`|empty) \| (.+) \|$", README, re.MULTILINE)


def test_the_table_has_every_setting_in_its_order() -> None:
    assert [variable for variable, _, _ in ROWS] == list(VARIABLES)


@pytest.mark.parametrize(("variable", "default", "meaning"), ROWS)
def test_a_setting_has_the_default_that_is_stated(variable: str, default: str, meaning: str) -> None:
    assert environment_with(settings_from({}))[variable] == default
    assert meaning


def test_every_command_that_is_shown_exists() -> None:
    shown = set(re.findall(r"^\$ (?:SOP_\w+=\S+ )?sop (\w+)", README, re.MULTILINE))
    assert shown
    assert shown <= set(COMMANDS)
