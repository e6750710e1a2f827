"""Limits and bans that no linter checks; there are no exceptions."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PRODUCT = ("schemas", "agents", "streams", "surfaces", "sop")
MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
PURE_FUNCTION_LINES_MAX = 40
ENVIRONMENT_READER = "streams/config/settings.py"
CLOCK_READER = "streams/process/clock.py"
WALL_CLOCKS = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
QUEUES = {"Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"}
RETIRED = {
    "arrivals": "forward deduplication",
    "casework": "processor",
    "citable": "evidence",
    "conservation": "accounting",
    "crew": "replicas",
    "dice": "rng",
    "fate": "disposition",
    "fates": "dispositions",
    "figures": "metrics",
    "happening": "sim event",
    "hear": "apply",
    "intake": "decoder",
    "keeper": "offset provider",
    "lane": "queue",
    "nudge": "wake up",
    "residents": "state cache",
    "ruling": "rule result",
    "sighting": "location fix",
    "spill": "write back",
    "suspects": "poison isolation",
    "tally": "counts",
    "thinned": "downsampled",
    "told": "applied, reported or emitted",
    "touched": "dirty",
    "unacceptable": "invalid",
    "unended": "hanging transaction",
    "vitals": "health",
    "wakes": "timer queue",
    "whereabouts": "presence",
}
"""Words of earlier versions that are no names any more, and the field's word for each."""
UNFINISHED = ("TO" + "DO", "FIX" + "ME", "X" + "XX")
TEXTS = ("*.py", "*.md", "*.toml", "*.yml", "*.yaml", "Makefile", "Dockerfile")

Finding = tuple[int, str]
Check = Callable[[str, ast.Module], Iterator[Finding]]
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (TOP / folder).rglob("*.py"))


def findings(check: Check, *folders: str) -> list[str]:
    found = []
    for path in python_files(*folders):
        name = path.relative_to(TOP).as_posix()
        found += [f"{name}:{line} {what}" for line, what in check(name, ast.parse(path.read_text(encoding="utf-8")))]
    return found


def dotted(node: ast.expr) -> str:
    """Return the last two parts of an expression such as `a.b.c`."""
    match node:
        case ast.Attribute(value=ast.Attribute(attr=owner) | ast.Name(id=owner), attr=name):
            return f"{owner}.{name}"
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


def length(function: FunctionNode) -> int:
    """Return the lines of a function without its docstring and decorators."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    match function.body[0]:
        case ast.Expr(value=ast.Constant(value=str())) as docstring:
            lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return lines


def long_modules(_name: str, tree: ast.Module) -> Iterator[Finding]:
    lines = max((node.end_lineno or 0 for node in tree.body), default=0)
    if lines > MODULE_LINES_MAX:
        yield lines, f"module has {lines} lines, at most {MODULE_LINES_MAX}"


def long_functions(name: str, tree: ast.Module) -> Iterator[Finding]:
    limit = PURE_FUNCTION_LINES_MAX if name.startswith(("schemas/", "agents/")) else FUNCTION_LINES_MAX
    for node in ast.walk(tree):
        if isinstance(node, FunctionNode) and length(node) > limit:
            yield node.lineno, f"{node.name} has {length(node)} lines, at most {limit}"


def environment_readers(name: str, tree: ast.Module) -> Iterator[Finding]:
    if name == ENVIRONMENT_READER:
        return
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr="environ" | "environb" | "getenv") | ast.ImportFrom(module="os"):
                yield node.lineno, f"the environment is read in {ENVIRONMENT_READER} only"


def clock_readers(name: str, tree: ast.Module) -> Iterator[Finding]:
    if name == CLOCK_READER:
        return
    for node in ast.walk(tree):
        match node:
            case ast.Attribute() if dotted(node) in WALL_CLOCKS:
                yield node.lineno, f"the clock is read in {CLOCK_READER} only"
            case ast.ImportFrom(module="time", names=names) if {"time", "time_ns"} & {each.name for each in names}:
                yield node.lineno, f"the clock is read in {CLOCK_READER} only"


def unbounded_queues(_name: str, tree: ast.Module) -> Iterator[Finding]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=func, args=[], keywords=[]) if dotted(func).split(".")[-1] in QUEUES:
                yield node.lineno, "a queue states its bound"


def bare_sleeps(name: str, tree: ast.Module) -> Iterator[Finding]:
    if name.startswith("tests/simulation/"):
        return  # the simulation waits in virtual time
    polling = {inner for loop in ast.walk(tree) if isinstance(loop, ast.While | ast.For) for inner in ast.walk(loop)}
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=func, args=[ast.Constant(value=0)]) if dotted(func) == "asyncio.sleep":
                pass  # yields to other coroutines without waiting
            case ast.Call(func=func) if dotted(func).split(".")[-1] == "sleep" and node not in polling:
                yield node.lineno, "poll with a deadline instead of sleeping"


def retired_names(_name: str, tree: ast.Module) -> Iterator[Finding]:
    for node in ast.walk(tree):
        for name in (getattr(node, member, None) for member in ("id", "attr", "arg", "name")):
            words = re.findall(r"[A-Z]?[a-z]+", name) if isinstance(name, str) else []
            for word in RETIRED.keys() & {each.lower() for each in words}:
                yield getattr(node, "lineno", 0), f"{name}: {word} is {RETIRED[word]}"


@pytest.mark.parametrize(
    ("check", "folders"),
    [
        pytest.param(long_modules, (*PRODUCT, "tests"), id="modules"),
        pytest.param(long_functions, (*PRODUCT, "tests"), id="functions"),
        pytest.param(environment_readers, PRODUCT, id="environment"),
        pytest.param(clock_readers, PRODUCT, id="clock"),
        pytest.param(unbounded_queues, PRODUCT, id="queues"),
        pytest.param(bare_sleeps, ("tests",), id="sleeps"),
        pytest.param(retired_names, PRODUCT, id="names"),
    ],
)
def test_the_code_keeps_the_limits(check: Check, folders: tuple[str, ...]) -> None:
    assert findings(check, *folders) == []


@pytest.mark.parametrize(
    ("check", "source"),
    [
        (long_modules, "\n" * MODULE_LINES_MAX + "pass"),
        (long_functions, "def f():\n" + "    pass\n" * FUNCTION_LINES_MAX),
        (environment_readers, "import os\nos.environ['HOME']"),
        (environment_readers, "from os import getenv"),
        (clock_readers, "import time\ntime.time()"),
        (clock_readers, "import datetime\ndatetime.datetime.now(datetime.UTC)"),
        (clock_readers, "from time import time"),
        (unbounded_queues, "import asyncio\nasyncio.Queue()"),
        (bare_sleeps, "import time\ntime.sleep(1)"),
        (bare_sleeps, "async def f():\n    await asyncio.sleep(0.1)"),
        (retired_names, "class TimerWakes: ..."),
        (retired_names, "report.sighting"),
    ],
)
def test_the_check_finds_a_violation(check: Check, source: str) -> None:
    assert len(list(check("streams/some.py", ast.parse(source)))) == 1


def test_a_docstring_does_not_count_as_length() -> None:
    source = 'def f():\n    """One.\n\n    Two.\n    """\n    return 1\n'
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    assert length(function) == 2


def test_no_unfinished_work_is_marked() -> None:
    texts = [path for pattern in TEXTS for folder in (*PRODUCT, "tests") for path in (TOP / folder).rglob(pattern)]
    texts = [path for path in texts if "node_modules" not in path.parts]
    texts += [path for pattern in TEXTS for path in TOP.glob(pattern)]
    assert texts
    marked = [
        f"{path.relative_to(TOP)} {word}"
        for path in texts
        for word in UNFINISHED
        if word in path.read_text(encoding="utf-8")
    ]
    assert marked == []
