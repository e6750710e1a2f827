"""Whoever uses an optional part that is not installed is told in one line how to install it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

KEYS = "a+00000000+AQ==,b+00000000+AQ=="

# the command, the module that cannot be imported, what needs the extra, and the extra
ROWS = [
    (("archive", "FOLDER"), "pyarrow", "an archive", "audit"),
    (("archive", "query", "FOLDER", "select 1"), "duckdb", "an archive", "audit"),
    (("audit", "keygen", "a", "--out", "FILE"), "cryptography.exceptions", "an audit", "audit"),
    (("erase", "partner:p-1", "--why", "x"), "cryptography.hazmat.primitives.ciphers.aead", "an erasure", "audit"),
    (("policy", "sign", "FILE", "--key-file", "FILE"), "cryptography.exceptions", "a signature", "audit"),
    (("replay", "FOLDER", "--out", "FILE"), "pyarrow", "FOLDER: an archive", "audit"),
    (("case", "job-1", "--input", "FOLDER"), "pyarrow", "FOLDER: an archive", "audit"),
    (("policy", "list"), "cryptography.exceptions", "SOP_POLICY_KEYS", "audit"),
    (("console",), "starlette", "the console", "console"),
]
WITHOUT = "import sys; sys.modules[sys.argv[1]] = None; from sop.main import main; main(sys.argv[2:])"


@pytest.mark.parametrize(("words", "absent", "user", "name"), ROWS, ids=[" ".join(row[0][:2]) for row in ROWS])
def test_the_error_names_the_extra_and_the_command_that_installs_it(
    words: tuple[str, ...], absent: str, user: str, name: str, tmp_path: Path
) -> None:
    places = {"FOLDER": str(tmp_path), "FILE": str(tmp_path / "file")}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, absent, *(places.get(word, word) for word in words)],
        env={**os.environ, "SOP_POLICY_KEYS": KEYS},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    wanted = user.replace("FOLDER", str(tmp_path))
    line = f"sop: {wanted} needs the extra '{name}': pip install 'sop-streams[{name}]'\n"
    assert (done.returncode, done.stderr) == (2, line)


def test_only_one_place_says_how_extras_are_installed() -> None:
    root = Path(__file__).parents[2]
    sources = [path for folder in ("streams", "surfaces", "sop") for path in (root / folder).rglob("*.py")]
    saying = [path.name for path in sources if "sop-streams[" in path.read_text(encoding="utf-8")]
    assert sorted(saying) == ["broker.py", "extras.py"]  # Java is not missed by an import
