"""The log is one line per record, as text or as JSON, and so is the error that ends a command."""

from __future__ import annotations

import json
import logging
import subprocess

import pytest

from streams.process.logs import JsonLines, OneLine, error_line
from tests.zygote import SOP


def record(message: str, *arguments: object, error: BaseException | None = None) -> logging.LogRecord:
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    made = logging.LogRecord("sop.task", logging.WARNING, __file__, 1, message, arguments, exc_info)
    made.created = 1_736_000_000.25
    return made


def test_a_record_is_one_json_object_with_the_time_in_utc() -> None:
    line = JsonLines().format(record("%s is\nlate", "job-ü"))
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2025-01-04T14:13:20.250000Z",
        "level": "WARNING",
        "logger": "sop.task",
        "message": "job-ü is\nlate",
    }


@pytest.mark.parametrize("formatter", [JsonLines(), OneLine()])
def test_an_error_stays_within_its_line(formatter: logging.Formatter) -> None:
    try:
        raise ValueError("broken\x1b[31m")
    except ValueError as error:
        line = formatter.format(record("it failed", error=error))
    assert line.isprintable()
    assert "ValueError" in line
    if isinstance(formatter, JsonLines):
        assert json.loads(line)["error"].splitlines()[-1] == "ValueError: broken\x1b[31m"


def test_the_error_of_a_command_has_the_style_of_the_log() -> None:
    assert error_line("no broker", "text") == "sop: no broker"
    found = json.loads(error_line("no broker", "json"))
    assert found.pop("time").endswith("Z")
    assert found == {"level": "ERROR", "logger": "sop", "message": "no broker"}


def test_a_command_that_fails_says_so_in_json_even_if_a_setting_is_wrong() -> None:
    environment = {"SOP_LOG_FORMAT": "json", "SOP_GROUP": "", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([SOP, "worker"], env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert json.loads(line)["message"] == "SOP_GROUP: '' is not text"


def test_an_unknown_format_is_refused_in_words() -> None:
    environment = {"SOP_LOG_FORMAT": "xml", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([SOP, "worker"], env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (2, "sop: SOP_LOG_FORMAT: 'xml' is not one of text, json\n")
