"""What audit commands say of proofs, certificates and archives that are damaged, altered, nonsense or not there."""

from __future__ import annotations

import base64
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sop.main import run
from streams.audit.dsse import sign_envelope
from streams.audit.keys import read_signer
from streams.audit.log import Checkpoint
from streams.audit.merkle import leaf_hash
from streams.audit.notary import leaves_path
from streams.audit.note import signed_note
from streams.audit.proof import encode_proof, prove
from streams.certificate.findings import STATUSES
from streams.certificate.statement import PAYLOAD_TYPE, PREDICATE_TYPE, STATEMENT_TYPE
from streams.runtime.ports import TP
from tests.archives import LOG, Archived, archive_in, record

JOBS = TP("jobs", 0)


def archived_in(path: Path) -> Archived:
    """Return an archive of two files."""
    found = archive_in(path)
    for offsets in (range(5), range(5, 8)):
        found.add(record(JOBS, offset, b'{"n":%d}' % offset) for offset in offsets)
    return found


@pytest.fixture
def archived(tmp_path: Path) -> Archived:
    return archived_in(tmp_path / "archive")


DEEP = b"[" * 100_000
ODD = (DEEP, b'{"a":' * 100_000, b"9" * 5_000, b"-1", b"null", b'"', b"\\ud800", b"\xff", b"1e999", b"\x00", b"{}", b"")


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Return a file with a part replaced."""
    start = draw(st.integers(0, len(content)))
    end = min(start + draw(st.integers(0, 40)), len(content))
    return content[:start] + draw(st.sampled_from(ODD) | st.binary(max_size=3)) + content[end:]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Archived:
    """Return an archive that no test alters."""
    return archived_in(tmp_path_factory.mktemp("kept") / "archive")


@pytest.fixture(scope="module")
def proof(kept: Archived) -> bytes:
    return encode_proof(prove(kept.folder, kept.verifier, kept.folder.names()[0], 3))


def said_of(command: str, content: bytes, archived: Archived) -> tuple[int, str]:
    """Return the exit status of a check of a file, and its error."""
    file = archived.path.parent / "file"
    file.write_bytes(content)
    with redirect_stderr(io.StringIO()) as errors, redirect_stdout(io.StringIO()):
        status = run(["audit", command, str(file), "--key", str(archived.verifier)])
    assert errors.getvalue().count("\n") == bool(errors.getvalue())
    return status, errors.getvalue().removeprefix(f"sop: {file}: ").rstrip("\n")


def test_a_proof_holds(kept: Archived, proof: bytes) -> None:
    assert said_of("check-proof", proof, kept) == (0, "")


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        pytest.param({"checkpoint": ""}, 1, "not proven: it is not a signed note", id="no checkpoint"),
        pytest.param({"record": "YQ=="}, 1, "not proven: the manifest is not about this record", id="another record"),
        pytest.param({"record": "a"}, 1, "not proven: ", id="no base64"),
        pytest.param({"manifest": "YQ=="}, 1, "not proven: the checkpoint is not about this", id="another manifest"),
        pytest.param({"record_index": -1}, 1, "not proven: the index is not in the tree", id="no index"),
        pytest.param({"record_proof": []}, 1, "not proven: the proof is too short", id="a hash is missing"),
        pytest.param({"format": "sop-streams-proof/2"}, 2, "format: 'sop-streams-proof/2' is not known", id="format"),
        pytest.param({"record": 1}, 2, "it is not a proof (", id="no proof"),
    ],
)
def test_a_proof_that_does_not_hold_is_told_from_what_is_none(
    change: dict[str, Any], status: int, said: str, kept: Archived, proof: bytes
) -> None:
    found = said_of("check-proof", json.dumps({**json.loads(proof), **change}).encode(), kept)
    assert (found[0], found[1].startswith(said)) == (status, True), found


@pytest.mark.parametrize("content", [b"", b"{}", DEEP, b'{"x":' + DEEP, b"\xff"])
def test_what_is_no_proof_is_unusable(content: bytes, kept: Archived) -> None:
    status, said = said_of("check-proof", content, kept)
    assert (status, said.startswith("it is not a proof (")) == (2, True)


@given(st.data())
def test_no_damage_to_a_proof_ends_in_a_traceback(kept: Archived, proof: bytes, data: st.DataObject) -> None:
    assert said_of("check-proof", data.draw(damaged(proof)), kept)[0] in (0, 1, 2)


@given(st.data())
def test_no_signed_nonsense_in_a_proof_ends_in_a_traceback(kept: Archived, proof: bytes, data: st.DataObject) -> None:
    """A manifest and a record that nobody else would sign, each the only one of its tree."""
    signer, whole = read_signer(str(kept.key)), json.loads(proof)
    record_part = data.draw(damaged(base64.b64decode(whole["record"])))
    manifest = json.loads(base64.b64decode(whole["manifest"]))
    manifest.update(rows=1, root=leaf_hash(record_part).hex())
    entry = json.dumps(manifest).encode()
    if data.draw(st.booleans()):
        entry = data.draw(damaged(entry))
    content = {
        **whole,
        "checkpoint": signed_note(str(Checkpoint(LOG, 1, leaf_hash(entry))), signer),
        "manifest": base64.b64encode(entry).decode(),
        "manifest_index": 0,
        "manifest_proof": [],
        "record": base64.b64encode(record_part).decode(),
        "record_index": 0,
        "record_proof": [],
    }
    assert said_of("check-proof", json.dumps(content).encode(), kept)[0] in (0, 1)


@given(st.data())
def test_no_damage_to_a_certificate_ends_in_a_traceback(kept: Archived, data: st.DataObject) -> None:
    counts = dict.fromkeys(STATUSES, 0)
    predicate = {
        "archive": "here",
        "checkpoint": "a\n1\nb\n",
        "range": {"from": None, "to": None, "case": "job-1"},
        "policies": ["p@1"],
        "program": {"name": "sop", "version": "1"},
        "cases": 1,
        "decisions": counts,
        "revisions": counts,
        "differing": [],
    }
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": "here", "digest": {"sha256": "00"}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }
    payload, is_signed = json.dumps(statement).encode(), data.draw(st.booleans())
    if is_signed:
        payload = data.draw(damaged(payload))
    content = sign_envelope(payload, PAYLOAD_TYPE, read_signer(str(kept.key)))
    assert said_of("check-certificate", content if is_signed else data.draw(damaged(content)), kept)[0] in (0, 1)


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("log/checkpoint", b"", "not proven: log: it is not a signed note"),
        ("log/tile/entries/000.p/2", b"\x00", "not proven: log: log/tile/entries/000.p/2: it does not have 2 whole"),
        ("leaves", b"", "not proven: log/leaves/"),
        ("leaves", bytes(32 * 5), "not proven: the manifest is not about this record"),
        ("records", b"", "jobs/"),
    ],
)
def test_no_proof_is_made_of_what_was_altered(path: str, content: bytes, said: str, archived: Archived) -> None:
    name = archived.folder.names()[0]
    (archived.path / {"leaves": leaves_path(name), "records": name.path}.get(path, path)).write_bytes(content)
    out = archived.path.with_suffix(".proof")
    command = ["audit", "prove", str(archived.path), "jobs-0@3", "--key", str(archived.verifier), "--out", str(out)]
    with redirect_stderr(io.StringIO()) as errors:
        assert run(command) == 1
    assert errors.getvalue().startswith(f"sop: {archived.path}: {said}")
    assert errors.getvalue().count("\n") == 1
    assert not out.exists()


def test_what_is_no_archive_is_said_to_be_none(kept: Archived, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").touch()
    key = str(kept.verifier)
    for where in (str(tmp_path / "absent"), str(tmp_path / "other")):
        for command in (
            ["archive", "check", where],
            ["archive", "query", where, "SELECT 1"],
            ["audit", "verify", where, "--key", key],
            ["audit", "prove", where, "some-id", "--key", key, "--out", str(tmp_path / "proof")],
            ["audit", "replay", where, "--key-file", str(kept.key), "--out", str(tmp_path / "cert")],
        ):
            with redirect_stderr(io.StringIO()) as errors, redirect_stdout(io.StringIO()) as printed:
                assert run(command) == 2
            assert errors.getvalue() == f"sop: {where}: there is no archive, or it has no files yet\n"
            assert printed.getvalue() == ""


def test_an_archive_whose_records_are_gone_is_altered(archived: Archived) -> None:
    for name in archived.folder.names():
        (archived.path / name.path).unlink()
    with redirect_stderr(io.StringIO()) as errors:
        assert run(["audit", "verify", str(archived.path), "--key", str(archived.verifier)]) == 1
    assert "there is no such file" in errors.getvalue()
