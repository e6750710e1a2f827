"""A certificate is signed as others verify it, any manipulation of it is found, and the commands say what it says."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined] # it does not say that it exports it

from agents.sops.catalogue import POLICIES
from schemas.policy.model import PolicySet
from sop.main import run
from streams.audit.dsse import key_id
from streams.audit.keys import make_key
from tests.archives import Archived, archive_in
from tests.decided import TOPICS, Desk, archivable
from tests.scenario import Scenario, instant, policy_with

Certificate = dict[str, Any]


@pytest.fixture
async def archived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archived:
    """Return an archive of two cases, decided under the policy of a file."""
    policy = tmp_path / "policy.toml"
    policy.write_text('label = "test"\n')
    monkeypatch.setenv("SOP_POLICIES", str(policy))
    desk = await Desk.with_policies(PolicySet((policy_with(""),), POLICIES.default))
    for case_id in ("job-1", "job-2 <b>"):
        scenario = Scenario(case_id).booked().assigned().ticket("10:00").genuine().partner_cancelled("12:00")
        for event, line in zip(scenario.events(), scenario.lines(), strict=True):
            await desk.take([line], event.time)
    await desk.decide(instant("10:00 +9d"))
    found = archive_in(tmp_path / "archive")
    found.add(archivable(desk.kafka, TOPICS, 1))
    monkeypatch.setenv("SOP_AUDIT_KEY_FILE", str(found.key))
    return found


@pytest.fixture
def certificate(archived: Archived, tmp_path: Path) -> Path:
    path = tmp_path / "cert.json"
    assert run(["audit", "replay", str(archived.path), "--out", str(path)]) == 0
    return path


def other_implementation_accepts(content: Certificate, archived: Archived) -> bool:
    """Return whether securesystemslib finds a signature by the key of an archive's log."""
    raw = archived.verifier.key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    key = SSlibKey(key_id(archived.verifier), "ed25519", "ed25519", {"public": raw.hex()})
    try:
        Envelope.from_dict(content).verify([key], 1)
    except (VerificationError, ValueError):
        return False
    return True


def test_another_implementation_verifies_a_certificate(archived: Archived, certificate: Path) -> None:
    content = json.loads(certificate.read_text())
    assert other_implementation_accepts(content, archived)
    statement = json.loads(base64.b64decode(content["payload"]))
    assert content["payloadType"] == "application/vnd.in-toto+json"
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "urn:sop-streams:replay-certificate:1"
    (subject,) = statement["subject"]
    predicate = statement["predicate"]
    root = base64.b64decode(predicate["checkpoint"].splitlines()[2])
    assert subject == {"name": str(archived.path), "digest": {"sha256": root.hex()}}
    assert predicate["range"] == {"from": None, "to": None, "case": None}
    assert predicate["program"]["name"] == "sop-streams"
    assert policy_with("").name in predicate["policies"]
    assert predicate["decisions"]["same"] == sum(predicate["decisions"].values()) > 0


def edited_payload(content: Certificate) -> None:
    payload = base64.b64decode(content["payload"]).replace(b'"extra":0', b'"extra":1')
    content["payload"] = base64.b64encode(payload).decode()


def another_type(content: Certificate) -> None:
    content["payloadType"] = "application/json"


def another_signature(content: Certificate) -> None:
    content["signatures"][0]["sig"] = base64.b64encode(bytes(64)).decode()


def no_signature(content: Certificate) -> None:
    content["signatures"] = []


@pytest.mark.parametrize(
    ("manipulate", "said"),
    [
        (edited_payload, "does not belong to it"),
        (another_type, "its content is 'application/json'"),
        (another_signature, "does not belong to it"),
        (no_signature, "did not sign it"),
    ],
)
def test_a_manipulated_certificate_is_found(
    archived: Archived,
    certificate: Path,
    manipulate: Callable[[Certificate], None],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content = json.loads(certificate.read_text())
    manipulate(content)
    certificate.write_text(json.dumps(content))
    capsys.readouterr()
    assert run(["audit", "check-certificate", str(certificate), "--key", str(archived.verifier)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert not other_implementation_accepts(content, archived)


def test_a_certificate_signed_with_another_key_is_found(
    archived: Archived, certificate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_key(archived.verifier.name, str(tmp_path / "other.key"))
    assert run(["audit", "check-certificate", str(certificate), "--key", str(other)]) == 1
    assert f"{key_id(other)} did not sign it" in capsys.readouterr().err
    args = ["audit", "replay", str(archived.path), "--key-file", str(tmp_path / "other.key")]
    assert run([*args, "--key", str(archived.verifier), "--out", str(certificate)]) == 0
    assert not other_implementation_accepts(json.loads(certificate.read_text()), archived)
    assert run(["audit", "check-certificate", str(certificate), "--key", str(other)]) == 0


def test_the_commands_say_what_was_found(
    archived: Archived, certificate: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(["audit", "check-certificate", str(certificate), "--key", str(archived.verifier)]) == 0
    signed, counts, checkpoint = capsys.readouterr().out.splitlines()
    assert signed == f"{archived.verifier.name} has signed it: {archived.path}"
    assert re.fullmatch(r"cases: 2; decisions: \d+ same; revisions: \d+ same", counts)
    assert checkpoint.startswith(f"checkpoint: {archived.verifier.name} ")
    assert run(["audit", "replay", str(archived.path), "--case", "job-1", "--out", str(certificate)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "job-1|paf|out_of_scope|p1: same" in lines
    assert lines[-3].startswith("case job-1; decisions: ")
    assert lines[-2] == "the records of the case were found by the archive's index, which sop audit verify checks"


def test_another_policy_makes_all_differ(
    archived: Archived, certificate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.toml"
    other.write_text('label = "test"\n[presence]\nradius_m = 501.0\n')
    assert run(["audit", "replay", str(archived.path), "--policy", str(other), "--out", str(certificate)]) == 1
    assert "job-1|paf|out_of_scope|p1: different" in capsys.readouterr().out
    page = certificate.with_suffix(".html").read_text()
    assert f"the policy {policy_with('').name} is not known" in page
    assert run(["audit", "check-certificate", str(certificate), "--key", str(archived.verifier)]) == 1


def test_an_archive_that_was_altered_gets_no_certificate(
    archived: Archived, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = next(each for each in archived.folder.names() if each.topic == "jobs")
    path = archived.path / name.path
    path.write_bytes(path.read_bytes() + b"x")
    out = tmp_path / "cert.json"
    for more in ([], ["--case", "job-1"]):
        assert run(["audit", "replay", str(archived.path), *more, "--out", str(out)]) == 1
        assert name.path in capsys.readouterr().err
        assert not out.exists()


def test_an_archive_without_a_log_has_no_checkpoint(
    archived: Archived, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (archived.path / "log" / "checkpoint").unlink()
    out = tmp_path / "cert.json"
    assert run(["audit", "replay", str(archived.path), "--out", str(out)]) == 0
    assert "checkpoint: none" in capsys.readouterr().out
    assert json.loads(base64.b64decode(json.loads(out.read_text())["payload"]))["predicate"]["checkpoint"] is None
    assert "has no log" in out.with_suffix(".html").read_text()


def test_the_page_loads_nothing_and_shows_text_as_text(certificate: Path) -> None:
    page = certificate.with_suffix(".html").read_text()
    assert not re.search(r"<script|<link|<img|<iframe|src=|href=|url\(|@import", page)
    assert "default-src 'none'" in page
    assert 'lang="en"' in page
    assert "prefers-color-scheme: dark" in page
    assert "All are the same." in page
    assert "<b>" not in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--case", "job-1", "--to", "2026-11-21T00:00:00Z"], "--case goes with neither --from nor --to"),
        (["--from", "yesterday"], "--from: "),
        (["--case", "job-3"], "nothing about the case job-3"),
        (["--key-file", "absent"], "absent: No such file"),
        (["--policy", "absent"], "absent: cannot be read"),
        (["--key", "absent"], "it is not a public key"),
    ],
)
def test_unusable_arguments_are_named(
    archived: Archived, tmp_path: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["audit", "replay", str(archived.path), *arguments, "--out", str(tmp_path / "cert.json")]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1


def test_the_certificate_and_its_page_are_two_files(
    archived: Archived, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["audit", "replay", str(archived.path), "--out", str(tmp_path / "cert.html")]) == 2
    assert "the page is written beside it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("out", "said"),
    [
        (".", "--out: . is a folder"),
        ("..", "--out: .. is a folder"),
        ("/", "--out: / is a folder"),
        ("", "--out: . is a folder"),
        ("absent/cert", "--out: absent/cert: there is no folder absent"),
    ],
)
def test_a_file_that_cannot_be_written_is_named_before_anything_is_done(
    out: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    key = str(make_key("example.com/log", str(tmp_path / "key")))
    for command in (
        ["replay", "no-archive", "--key-file", "key", "--out", out],
        ["prove", "no-archive", "some-id", "--key", key, "--out", out],
    ):
        assert run(["audit", *command]) == 2
        assert capsys.readouterr().err == f"sop: {said}\n"


def test_a_key_must_be_named(
    archived: Archived, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SOP_AUDIT_KEY_FILE")
    assert run(["audit", "replay", str(archived.path), "--out", str(tmp_path / "cert")]) == 2
    assert "--key-file" in capsys.readouterr().err
