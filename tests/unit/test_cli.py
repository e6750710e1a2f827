"""The command line: messages and exit status for unusable and for usable arguments."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from agents.sops.catalogue import POLICIES
from sop.main import COMMANDS, run, sop
from tests.scenario import Scenario
from tests.terminal import on_terminal
from tests.zygote import SOP

NOWHERE = "127.0.0.1:1"
TOP = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _in_a_folder_with_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = Scenario().booked().assigned().ticket("10:00").lines()
    Path("events.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    Path("torn.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines))[:-9])
    Path("torn.jsonl.zst").write_bytes(b"not zstandard")
    Path("folder").mkdir()
    Path("broken.toml").write_text('label = "x"\n[park]\nduration = "soon"\n', encoding="utf-8")
    Path("unknown.toml").write_text('label = "x"\n[park]\nhours = 3\n', encoding="utf-8")
    Path("good.toml").write_text('label = "x"\n[park]\nduration = "2 h"\n', encoding="utf-8")
    Path("same.toml").write_text('label = "x"\neffective_from = "2026-01-01T00:00:00Z"\n', encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nonsense", "No such command 'nonsense' (see sop --help)"),
        ("--nonsense", "No such option: --nonsense (see sop --help)"),
        ("repaly", "No such command 'repaly'; did you mean replay? (see sop --help)"),
        ("policy chekc", "No such command 'chekc'; did you mean check? (see sop policy --help)"),
        ("replay events.jsonl --ouput x", "No such option: --ouput Did you mean --out? (see sop replay --help)"),
        ("replay --out out.jsonl", "Missing argument 'INPUT…'"),
        ("replay events.jsonl", "Missing option '--out'"),
        ("replay absent.jsonl --out out.jsonl", "absent.jsonl: cannot be read: No such file"),
        ("replay folder --out out.jsonl", "folder: not an archive of jobs, tickets, cancellations, locations"),
        ("replay torn.jsonl.gz --out out.jsonl", "torn.jsonl.gz: cannot be read: "),
        ("replay torn.jsonl.zst --out out.jsonl", "torn.jsonl.zst: cannot be read: "),
        ("replay events.jsonl --out absent/out.jsonl", "absent/out.jsonl: cannot be written: No such file"),
        ("replay events.jsonl --out out.jsonl --until yesterday", "--until: not an RFC 3339 date-time"),
        ("replay events.jsonl --out out.jsonl --policy absent.toml", "absent.toml: cannot be read: No such file"),
        ("replay events.jsonl --out out.jsonl --policy broken.toml", "broken.toml: park.duration: not a duration"),
        (f"replay kafka://{NOWHERE} --out out.jsonl", f"Kafka at {NOWHERE} does not answer"),
        ("replay kafka://nowhere --out out.jsonl", "'nowhere' is not HOST:PORT"),
        ("simulate --jobs 0", "jobs must lie between 1 and"),
        ("simulate --jobs many", "Invalid value for '--jobs'"),
        ("simulate --start today", "--start: not an RFC 3339 date-time"),
        ("simulate --city Atlantis", "'Atlantis' is not known (known: Delhi, Mumbai"),
        ("simulate --city dehli", "'dehli' is not known; did you mean Delhi?"),
        ("simulate --city bombay", "'bombay' is not known; did you mean Mumbai?"),
        ("simulate --trace absent.csv", "absent.csv: "),
        ("simulate --out absent/day.jsonl", "absent/day.jsonl: cannot be written: No such file"),
        ("case", "Missing argument 'CASE_ID'"),
        ("case job-9 --input events.jsonl", "job-9: no event of this case in events.jsonl"),
        ("case job-1 --input events.jsonl --until 2020-01-01T00:00:00Z", "job-1: no event of this case in"),
        ("case job-1 --input absent.jsonl", "absent.jsonl: cannot be read: No such file"),
        ("case job-1 --input events.jsonl --until never", "--until: not an RFC 3339 date-time"),
        (f"case job-1 --input kafka://{NOWHERE}", f"Kafka at {NOWHERE} does not answer"),
        ("policy check", "Missing argument 'FILE…'"),
        ("policy check absent.toml", "absent.toml: cannot be read: No such file"),
        ("policy check broken.toml", 'broken.toml: park.duration: not a duration such as "15 min"'),
        ("policy check unknown.toml", "unknown.toml: park.hours: unknown key"),
        ("policy check good.toml same.toml", "same.toml: label: 'x' is the label of another policy too"),
        ("alerts forward", "name a receiver: --alertmanager URL or --webhook URL FILE"),
        ("alerts forward --alertmanager am:9093", "Alertmanager 1: its address is not http://HOST"),
        ("alerts forward --alertmanager http://am", "Alertmanager 1: http to another machine (am) is for SOP_PROFILE"),
        ("alerts forward --webhook https://desk", "Option '--webhook' requires 2 arguments"),
        ("alerts forward --webhook https://desk absent", "webhook 1: the file of its secrets cannot be read: No such"),
        ("schemas export", "Missing argument 'DIR'"),
        ("schemas export events.jsonl", "events.jsonl: cannot be written: File exists"),
        ("up --duration 0", "Invalid value for '--duration': '0' is not a duration above 0"),
        ("up --duration soon", "'soon' is not a duration above 0: seconds, or text such as 90m or 1h30m (units: d, h,"),
        ("up --duration -1h", "is not a duration above 0"),
        ("up --speed fast", "Invalid value for '--speed'"),
        ("replay events.jsonl --out x.jsonl --jobs 100000", "Invalid value for '--jobs': 100000 is not in the range"),
        ("up --jobs 0", "jobs must lie between 1 and"),
        ("up --input absent.jsonl", "absent.jsonl: cannot be read: No such file"),
        ("up --data events.jsonl", "events.jsonl: cannot be used: File exists"),
        (
            f"up --brokers {NOWHERE}",
            f"Kafka at {NOWHERE} does not answer; set SOP_BROKERS to a Kafka that runs, or start",
        ),
        ("up --brokers nowhere", "'nowhere' is not HOST:PORT"),
        ("up --brokers 127.0.0.1:65536", "'127.0.0.1:65536' is not HOST:PORT"),
        ("up --brokers 127.0.0.1:1,", "'127.0.0.1:1,' is not HOST:PORT"),
    ],
)
def test_unusable_arguments_are_one_line_with_status_2(
    arguments: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(arguments.split())

    error = capsys.readouterr().err
    assert status == 2, error
    assert error.count("\n") == 1
    assert error.startswith("sop: ")
    assert message in error


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("SOP_NONSENSE", "1", "SOP_NONSENSE: there is no such setting"),
        ("SOP_PARTITONS", "1", "SOP_PARTITONS: there is no such setting; did you mean SOP_PARTITIONS?"),
        (
            "SOP_REDIS_TIMEOUT_S",
            "5 weeks",
            "SOP_REDIS_TIMEOUT_S: '5 weeks' is not a duration above 0: seconds, or text",
        ),
        ("SOP_PARTITIONS", "none", "SOP_PARTITIONS: 'none' is not a whole number above 0"),
        ("SOP_VALUE_BYTES_MAX", "4194305", "SOP_VALUE_BYTES_MAX: '4194305' is not a whole number from 1 to 4194304"),
        ("SOP_SCHEMA_BASE_URL", "schemas", "SOP_SCHEMA_BASE_URL: 'schemas' is not an http or https address"),
        ("SOP_ACCEPT_TRIMMED_INPUTS", "yes", "SOP_ACCEPT_TRIMMED_INPUTS: 'yes' is not true or false"),
        ("SOP_POLICIES", "good.toml,broken.toml", "broken.toml: park.duration: not a duration"),
        ("SOP_BROKERS", NOWHERE, f"Kafka at {NOWHERE} does not answer"),
        ("SOP_REDIS_URL", f"redis://{NOWHERE}", "SOP_REDIS_URL: Redis does not answer"),
    ],
)
def test_a_worker_that_cannot_start_prints_one_line_with_status_2(variable: str, value: str, message: str) -> None:
    environment = {"SOP_REDIS_TIMEOUT_S": "0.1", variable: value}
    done = subprocess.run([SOP, "worker"], env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"sop: {message}")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"SOP_BROKERS": NOWHERE}, f"Kafka at {NOWHERE} does not answer"),
        ({"SOP_DATA_DIR": "events.jsonl"}, "events.jsonl: cannot be used: File exists"),
        ({"SOP_ALERTS_CA_FILE": "broken.toml"}, "SOP_ALERTS_CA_FILE: broken.toml: cannot be used"),
        ({"SOP_CONSOLE_URL": "console"}, "SOP_CONSOLE_URL: 'console' is not http://HOST"),
    ],
)
def test_an_alert_forwarder_that_cannot_start_prints_one_line_with_status_2(
    settings: dict[str, str], message: str
) -> None:
    command = [str(SOP), "alerts", "forward", "--alertmanager", f"http://{NOWHERE}"]
    environment = {"SOP_DATA_DIR": "data", **settings}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"sop: {message}")


@pytest.mark.parametrize(
    "arguments",
    [
        "case job-1 --input {0}",
        "replay {0} --out x.jsonl",
        "replay events.jsonl --out {0}",
        "replay redis://{1} --out x.jsonl",
        "replay events.jsonl --out x.jsonl --policy {0}",
        "simulate --out {0}",
        "simulate --jobs {1}",
        "up --brokers {1}",
        "alerts forward --alertmanager {0}",
        "alerts forward --webhook https://{1}/ {1}",
        "worker {1}",
        "{1}",
    ],
)
def test_a_password_in_an_address_is_not_shown(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments.format("kafka://user:secret@host:9092", "user:secret@host:9092").split()) == 2
    assert "secret@" not in "".join(capsys.readouterr())


def test_a_command_without_its_subcommand_shows_its_help_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    shown = capsys.readouterr().err
    assert all(f"\n  {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    assert f"Usage: sop {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_overview_names_every_subcommand(name: str) -> None:
    with click.Context(sop) as context:
        command = sop.get_command(context, name)
    assert [each for each in getattr(command, "commands", ()) if each not in COMMANDS[name]] == []


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "sop", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: sop ")


def test_an_older_python_is_refused() -> None:
    old = "import runpy, sys; sys.version_info = (3, 10, 13, 'final', 0); runpy.run_module('sop')"
    done = subprocess.run([sys.executable, "-c", old], cwd=TOP, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "sop: Python 3.11 or later is needed, this is Python 3.10.13\n")


def test_make_refuses_an_older_python(tmp_path: Path) -> None:
    old = tmp_path / "python3.10"
    old.write_text('#!/bin/sh\ncase "$*" in *sys.exit*) exit 1;; *) echo 3.10.13;; esac\n', encoding="ascii")
    old.chmod(0o755)
    make = ["make", "-s", "setup", f"PYTHON={old}", f"STAMP={tmp_path}/installed"]
    done = subprocess.run(make, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "sop-streams needs Python 3.11 or later" in done.stderr
    assert "is Python 3.10.13" in done.stderr


@pytest.mark.parametrize("variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ("glossary", 0),
        ("case jób-1 --input events.jsonl", 2),
        ("--nonsensé", 2),
    ],
)
def test_characters_that_the_output_cannot_encode_are_escaped(
    variables: dict[str, str], arguments: str, status: int
) -> None:
    done = subprocess.run([SOP, *arguments.split()], env=variables, capture_output=True, check=False)
    assert done.returncode == status, done.stderr
    assert b"Traceback" not in done.stderr
    assert (done.stdout + done.stderr).isascii()


@pytest.mark.parametrize("arguments", ["glossary", "policy show", "--help"])
def test_a_closed_pipe_is_not_a_failure(arguments: str) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "wb") as closed:
        done = subprocess.run([SOP, *arguments.split()], stdout=closed, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([SOP, "glossary"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "sop: standard output: No space left on device\n")


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("sop repl", "plain,replay"),
        ("sop replay day.jsonl --out dec", "file,dec"),
        ("sop case job-1 --policy pol", "file,pol"),
        ("sop up --input day", "file,day"),
        ("sop glossary pa", "plain,PAF"),
    ],
)
def test_a_shell_can_complete_commands_and_files(words: str, completed: str) -> None:
    variables = {"_SOP_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run([SOP], env=variables, capture_output=True, text=True, check=False)
    assert completed in done.stdout.splitlines()


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize(
    "arguments", ["policy show", "glossary", "case job-1 --input events.jsonl", "simulate --stats", "policy --help"]
)
def test_output_wraps_at_word_boundaries_on_a_terminal(arguments: str, columns: int) -> None:
    status, lines = on_terminal([str(SOP), *arguments.split()], columns)
    assert status == 0
    assert max(map(len, lines)) <= columns
    _, unbroken = on_terminal([str(SOP), *arguments.split()], 1_000)
    whole = {word for word in " ".join(unbroken).split() if len(word) < columns - 6 and "-" not in word}
    assert whole <= set(" ".join(lines).split())


def test_subcommands_are_listed_with_whole_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "--help"]) == 0
    assert "..." not in capsys.readouterr().out.partition("Commands:")[2]


def test_the_shares_of_branches_show_no_patterns(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", "--stats"]) == 0
    assert "*" not in capsys.readouterr().out


def test_the_built_in_policy_is_shown_key_by_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "show"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[::2]] == list(POLICIES.keys)
    assert lines[:2] == [
        "presence.radius_m = 500.0 (m) [OOS-7]",
        "    metres from the site within which a partner is on site, inclusive",
    ]


def test_the_built_in_policy_as_a_document_equals_the_built_in_policy(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "show", "--toml"]) == 0
    Path("mine.toml").write_text(capsys.readouterr().out, encoding="utf-8")
    assert run(["policy", "check", "mine.toml"]) == 0
    assert capsys.readouterr().out.count("\n") == 1


def test_schemas_are_exported_as_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schemas", "export", "schemas"]) == 0

    files = [path for path in Path("schemas").rglob("*") if path.is_file()]
    assert capsys.readouterr().out == f"{len(files)} files in schemas\n"
    assert json.loads(Path("schemas/asyncapi.json").read_bytes())["asyncapi"] == "3.0.0"
    assert run(["schemas", "export", "schemas", "--base-url", "schemas"]) == 2
    assert capsys.readouterr().err == "sop: --base-url: 'schemas' is not an http or https address\n"


def test_a_checked_policy_is_shown_with_its_changes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "check", "good.toml"]) == 0

    first, *changes = capsys.readouterr().out.splitlines()
    assert first.startswith("good.toml: x@")
    assert first.endswith(", in force always")
    assert changes == ["  park.duration = 2 h (built in: 3 h)"]


def test_a_dated_policy_is_shown_with_its_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "check", "same.toml"]) == 0
    assert capsys.readouterr().out.endswith(", in force from 2026-01-01T00:00:00Z\n")


def test_a_replay_prints_its_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", "events.jsonl", "--out", "out.jsonl"]) == 0

    messages = [json.loads(line) for line in Path("out.jsonl").read_bytes().splitlines()]
    assert next(message["type"] for message in messages) == "decision.tagging"
    assert capsys.readouterr().err == f"3 events, 0 duplicates, 0 dead letters: 1 cases, {len(messages)} messages\n"


def test_an_error_is_one_line_on_a_narrow_terminal_too() -> None:
    status, lines = on_terminal([str(SOP), "simulate", "--city", "Mumbay"], 80)
    assert status == 2
    assert len(lines) == 1
