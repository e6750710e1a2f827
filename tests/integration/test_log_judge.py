"""Go's checksum-database packages, which know nothing of this project, verify the log, its growth and its proofs."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from streams.audit.manifest import record_bytes
from streams.audit.proof import encode_proof, prove
from streams.runtime.ports import TP
from tests.archives import Archived, archive_in, kept, record
from tests.built_programs import built

TICKETS = TP("tickets", 3)


@pytest.fixture
def judge() -> Path:
    return built("go", "build/languages/log-judge")


def judged(judge: Path, archived: Archived, *more: str) -> subprocess.CompletedProcess[str]:
    command = [str(judge), str(archived.path / "log"), str(archived.verifier), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("sizes", [(1, 2), (255, 1, 1), (256, 44), (3, 254, 256, 1)])
def test_go_verifies_a_log_as_it_grows(judge: Path, tmp_path: Path, sizes: tuple[int, ...]) -> None:
    archived, size = archive_in(tmp_path / "archive"), 0
    for count in sizes:
        older = [str(shutil.copy(archived.path / "log/checkpoint", tmp_path / "older"))] if size else []
        archived.add([record(TICKETS, size + number) for number in range(count)], file_bytes=1)
        size += count
        done = judged(judge, archived, *older)
        assert (done.returncode, done.stdout) == (0, f"{size}\n"), done.stderr


def test_go_verifies_a_log_under_an_earlier_checkpoint(judge: Path, tmp_path: Path) -> None:
    """As somebody does who has fetched the checkpoint just before it was replaced."""
    archived, older = archive_in(tmp_path / "archive"), tmp_path / "older"
    archived.add([record(TICKETS, offset) for offset in range(3)], file_bytes=1)
    shutil.copy(archived.path / "log/checkpoint", older)
    archived.add([record(TICKETS, offset) for offset in range(3, 8)], file_bytes=1)
    assert judged(judge, archived).stdout == "8\n"
    shutil.copy(older, archived.path / "log/checkpoint")
    done = judged(judge, archived)
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr


def test_go_verifies_a_proof(judge: Path, tmp_path: Path) -> None:
    archived = archive_in(tmp_path / "archive")
    records = [record(TICKETS, offset, b"%d" % offset, headers=(("a", None),)) for offset in range(100)]
    archived.add(records, file_bytes=50)
    names = archived.folder.names()
    assert len(names) > 10
    name = next(each for each in names if each.first <= 42 < each.next)
    path = tmp_path / "proof.json"
    path.write_bytes(encode_proof(prove(archived.folder, archived.verifier, name, 42)))
    done = subprocess.run(
        [judge, "proof", str(archived.verifier), path], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert base64.b64decode(done.stdout) == record_bytes(*TICKETS, kept(records)[42])


def test_go_finds_a_changed_entry(judge: Path, tmp_path: Path) -> None:
    archived = archive_in(tmp_path / "archive")
    archived.add([record(TICKETS, offset) for offset in range(5)], file_bytes=1)
    path = archived.path / "log/tile/entries/000.p/5"
    path.write_bytes(path.read_bytes().replace(b'"rows":1', b'"rows":2', 1))
    done = judged(judge, archived)
    assert (done.returncode, done.stderr) == (1, "entry 0 is not the one that was signed\n")
