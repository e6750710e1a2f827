"""Printed text from outside cannot move the cursor, forge a line or reverse text."""

import json
import logging
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sop.main import run
from streams.process.logs import OneLine
from streams.terminal.printable import printable, printable_bytes, printable_json, without_passwords
from tests.scenario import Scenario

HOSTILE = {
    "colours": "\x1b[31mred",
    "window title": "\x1b]0;owned\x07",
    "8-bit control sequence": "\x9b2J",
    "carriage return": "job\rsop: all is well",
    "new line": "job\nsop: all is well",
    "next line": "job\x85sop: all is well",
    "line separator": "job\u2028sop: all is well",
    "right-to-left override": "job-\u202e1",
    "isolate": "job-\u2066x\u2069",
    "backspace": "abc\x08\x08\x08",
    "zero width": "job\u200b-1",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_becomes_one_visible_line(text: str) -> None:
    assert not text.isprintable()
    assert printable(text).isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("kafka://user:secret@h:9092: cannot be read", "kafka://…@h:9092: cannot be read"),
        ("'redis://:secret@h' is no number", "'redis://…@h' is no number"),
        ("extra argument (user:secret@h:1)", "extra argument (…@h:1)"),
        ("a:1,user:se/cr#et@x@h:1", "…@h:1"),
        ("--brokers=user:secret@h", "--brokers=…@h"),
        ("jobs-3@120: no host, x@h, a:b, 10:00", "jobs-3@120: no host, x@h, a:b, 10:00"),
    ],
)
def test_credentials_before_a_host_are_removed_from_messages(text: str, shown: str) -> None:
    assert without_passwords(text) == shown


@pytest.mark.parametrize("text", ["job-1", "Žofie 🙂", "नमस", "a\\nb"])
def test_visible_text_is_unchanged(text: str) -> None:
    assert printable(text) == text


@given(st.binary())
def test_any_bytes_become_one_visible_line(value: bytes) -> None:
    assert printable_bytes(value).isprintable()


@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_keeps_its_value_and_becomes_one_visible_line(value: object) -> None:
    shown = printable_json(json.dumps(value).encode())
    assert shown.isprintable()
    assert json.loads(shown) == value


def test_control_characters_and_surrogate_pairs_are_escaped_in_json() -> None:
    document = json.dumps(["\x9b\u202e\U000e0001é"], ensure_ascii=False)
    shown = printable_json(document.encode())
    assert shown == '["\\u009b\\u202e\\udb40\\udc01é"]'
    assert json.loads(shown) == json.loads(document)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_log_record_is_one_line_whatever_its_message_and_traceback_contain(text: str) -> None:
    try:
        raise ValueError(text)
    except ValueError:
        record = logging.LogRecord("sop", logging.ERROR, __file__, 1, "case %s", (text,), sys.exc_info())
    assert OneLine().format(record).isprintable()


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_a_case_with_hostile_ids_is_printed_in_visible_lines(
    text: str, form: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "events.jsonl"
    refused = json.dumps({"subject": "job-1", "id": text}).encode()
    lines = Scenario().booked().assigned(partner=text).ticket("10:00", text).lines()
    file.write_bytes(b"\n".join([*lines, refused]) + b"\n")

    assert run(["case", "job-1", "--input", str(file), *form]) == 0

    output = capsys.readouterr().out
    assert all(line.isprintable() for line in output.split("\n"))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_an_error_with_hostile_text_is_one_visible_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["case", text, "--input", "absent.jsonl"]) == 2
    assert run([text]) == 2
    assert run(["policy", "check", text]) == 2
    lines = capsys.readouterr().err.split("\n")
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)
