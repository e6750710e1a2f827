"""Runs the programs of this folder, each of which reads and makes CloudEvents with the SDK of its language.

A program reads JSON Lines and answers each with one line. Bytes are base64.

- `read` takes records, `{"headers": [{"name", "value"}], "value"}`, and answers with id, source and type of the
  event that the SDK sees in the record, or null if it sees none.
- `structured` and `binary` take events, `{"specversion", "id", "source", "type", "subject", "time", "data"}`, and
  answer with the record that the SDK makes of the event in that content mode.
"""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tests.built_programs import ROOT, SHORT_LIVED_JAVA, built, plain_environment

Language = Literal["go", "java", "javascript", "python"]
Mode = Literal["structured", "binary"]
LANGUAGES: tuple[Language, ...] = ("go", "java", "javascript", "python")
MODES: tuple[Mode, ...] = ("structured", "binary")
FOLDER = "tests/cloudevents_sdks"

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class Sdk:
    """The SDK of a language, behind the program that uses it."""

    language: Language
    command: Sequence[str]

    def read(self, records: Iterable[tuple[bytes, Headers]]) -> list[dict[str, Any] | None]:
        """Return what the SDK sees in records of value and headers."""
        return self._answers("read", [_packed(value, headers) for value, headers in records])

    def write(self, mode: Mode, events: Sequence[dict[str, Any]]) -> list[tuple[bytes, Headers]]:
        """Return value and headers of the records that the SDK makes of events."""
        return [_unpacked(answer) for answer in self._answers(mode, events)]

    def _answers(self, verb: str, lines: Sequence[dict[str, Any]]) -> list[Any]:
        given = "".join(json.dumps(line) + "\n" for line in lines)
        command = [*self.command, verb]
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=60, check=False, env=plain_environment()
        )
        assert (done.returncode, done.stderr) == (0, "")
        return [json.loads(line) for line in done.stdout.splitlines()]


def sdk_of(language: Language) -> Sdk:
    """Return the SDK of a language; if its program cannot be run, the test is skipped, or fails in CI."""
    match language:
        case "go":
            return Sdk(language, [str(built("go", "build/languages/go-sdk"))])
        case "java":
            classes = built("java", f"{FOLDER}/java/target/classes")
            return Sdk(language, ["java", *SHORT_LIVED_JAVA, "-cp", f"{classes}:{classes.parent}/lib/*", "Sdk"])
        case "javascript":
            built("node", f"{FOLDER}/javascript/node_modules")
            return Sdk(language, ["node", f"{ROOT}/{FOLDER}/javascript/sdk.mjs"])
        case "python":
            return Sdk(language, [sys.executable, f"{ROOT}/{FOLDER}/python/sdk.py"])


def _packed(value: bytes, headers: Headers) -> dict[str, Any]:
    named = [{"name": name, "value": b64encode(text).decode()} for name, text in headers]
    return {"headers": named, "value": b64encode(value).decode()}


def _unpacked(record: dict[str, Any]) -> tuple[bytes, Headers]:
    headers = tuple((each["name"], b64decode(each["value"])) for each in record["headers"])
    return b64decode(record["value"]), headers
