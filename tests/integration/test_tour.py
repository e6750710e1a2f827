"""The commands of the README's tour run as written, except those that need Kafka."""

import os
import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
TOUR = README[README.index("## A tour") : README.index("## Configuration")]
NEEDS_KAFKA = ("sop up", "kcat", "SOP_BROKERS=")


def commands() -> list[str]:
    """Return the commands in the tour's code blocks, each with its here-document if it has one."""
    blocks = re.findall(r"^```\n(.*?)^```", TOUR, re.MULTILINE | re.DOTALL)
    found = [
        command
        for block in blocks
        for command in re.findall(r"^\$ (.*<<'END'\n(?:.*\n)*?END|.*)$", block, re.MULTILINE)
    ]
    return [command for command in found if not command.startswith((*NEEDS_KAFKA, ". .venv"))]


def test_the_tour_runs_as_written(tmp_path: Path) -> None:
    script = "\n".join(["set -e", *commands()])
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env={"PATH": path}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert {file.name for file in (tmp_path / "tour").iterdir()} >= {
        "day.jsonl",
        "decided.jsonl",
        "parking.toml",
        "contract",
    }
    assert "sop: " not in done.stderr
    for summary in re.findall(r"^\d+ events, .* messages$", TOUR, re.MULTILINE):
        assert summary in done.stderr
    (count,) = re.findall(r"^\d+ events written to day\.jsonl$", TOUR, re.MULTILINE)
    assert count in done.stderr
