"""The pages of the repository that docstrings and other pages refer to are there, and so are their headings."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPECIFICATION = ROOT / "docs" / "specification"
MODULES = [path for package in ("schemas", "agents", "streams", "surfaces") for path in (ROOT / package).rglob("*.py")]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

CITATION = re.compile(r'(\w+\.md), ((?:"[^"]+"(?:, | and )?)+)')
FORMER_CITATION = re.compile(r'\((?:domain|contracts|architecture|surfaces|page),? (?:"|\d|end )')
OPERATIONS = re.compile(r"\(docs/operations\.md, ([^)\"]+)\)")
PATH = re.compile(r"`((?:schemas|agents|streams|surfaces|tests|docs|bench)/[\w./*-]*)`")
QUOTED = re.compile(r"^\$ ((?:grep -rn|sed -n) .+)\n((?:(?![$`]).*\n)*)", re.MULTILINE)
BREAKPOINT = re.compile(r"break ([\w/]+\.py):(\d+)")
LINK = re.compile(r"\]\(([\w./-]*)(?:#([\w-]+))?\)")


def headings(page: Path) -> list[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^#+ (.+)$", text, re.MULTILINE)


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_docstrings_cite_headings_that_exist() -> None:
    for module in MODULES:
        text = " ".join(module.read_text(encoding="utf-8").split())
        for page, cited in CITATION.findall(text):
            missing = set(re.findall(r'"([^"]+)"', cited)) - set(headings(SPECIFICATION / page))
            assert not missing, f"{module}: {page} has no {missing}"


def test_no_docstring_cites_a_page_that_is_not_in_the_repository() -> None:
    assert [str(module) for module in MODULES if FORMER_CITATION.search(module.read_text(encoding="utf-8"))] == []


def test_messages_cite_headings_of_the_operations_page() -> None:
    cited = {each for module in MODULES for each in OPERATIONS.findall(module.read_text(encoding="utf-8"))}
    assert cited
    assert cited <= set(headings(ROOT / "docs" / "operations.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for name, fragment in LINK.findall(page.read_text(encoding="utf-8")):
        target = page.parent / name if name else page
        assert target.exists(), name
        assert not fragment or fragment in map(anchor, headings(target)), f"{name}#{fragment}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_that_a_page_names_exist(page: Path) -> None:
    named = PATH.findall(page.read_text(encoding="utf-8"))
    assert [path for path in named if not any(ROOT.glob(path))] == []


def test_the_debugging_page_quotes_the_code_as_it_is() -> None:
    page = (ROOT / "docs/debugging.md").read_text(encoding="utf-8")
    quoted = QUOTED.findall(page)
    assert len(quoted) == 2
    for command, output in quoted:
        found = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S602 - the page's
        assert found.stdout == output
    ((path, line),) = BREAKPOINT.findall(page)
    assert (ROOT / path).read_text(encoding="utf-8").splitlines()[
        int(line) - 1
    ].strip() == 'return self.presence.state == "off_site"'
