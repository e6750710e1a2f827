"""The decision logic imports no framework and no I/O, checked in fresh interpreters beyond the import contracts."""

import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]

IMPORTS_OF_PURE_MODULES = """
import importlib, sys
forbidden = {"faust", "mode", "aiokafka", "redis", "confluent_kafka", "asyncio", "socket", "streams"}
for name in sys.argv[1:]:
    importlib.import_module(name)
    found = forbidden & set(sys.modules)
    if found:
        sys.exit(f"{name} brings in {', '.join(sorted(found))}")
"""

IMPORTS_WITHOUT_EFFECT = """
import importlib, sys
from faust import App  # imported first, because Faust itself starts a process when it is imported
effects = {"socket.bind", "socket.connect", "socket.sendto", "subprocess.Popen", "os.system", "os.putenv"}
def refuse(event, arguments):
    if event in effects:
        sys.exit(f"importing {name} leads to {event}")
sys.addaudithook(refuse)
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def modules_of(*packages: str) -> list[str]:
    paths = sorted(path for package in packages for path in (TOP / package).rglob("*.py"))
    names = [".".join(path.relative_to(TOP).with_suffix("").parts).removesuffix(".__init__") for path in paths]
    assert len(names) > len(packages)
    return names


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=TOP, env={}, capture_output=True, text=True, check=False, timeout=50)


def test_importing_the_decision_logic_imports_no_framework_or_io() -> None:
    done = run(IMPORTS_OF_PURE_MODULES, *modules_of("schemas", "agents"))
    assert done.returncode == 0, done.stderr


def test_imports_have_no_side_effects_and_need_no_environment() -> None:
    done = run(IMPORTS_WITHOUT_EFFECT, *modules_of("schemas", "agents", "streams", "surfaces", "sop"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("program", "module", "message"),
    [
        (IMPORTS_OF_PURE_MODULES, "asyncio", "asyncio brings in asyncio, socket"),
        (IMPORTS_WITHOUT_EFFECT, "opens_a_socket", "importing opens_a_socket leads to socket.bind"),
    ],
)
def test_the_check_finds_a_violation(program: str, module: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "opens_a_socket.py").write_text(
        "import socket\nwith socket.socket() as s:\n    s.bind(('127.0.0.1', 0))\n"
    )
    done = run(f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{program}", module)
    assert done.returncode == 1
    assert done.stderr.strip() == message
