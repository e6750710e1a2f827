"""`sop console` without its extra, and the texts that its pages are made of."""

from __future__ import annotations

import sys

import pytest

from schemas.policy.model import DAY, HOUR, MINUTE, SECOND
from sop.main import run
from surfaces.console.text import duration, href, number, relative, words


def test_without_the_extra_the_command_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "surfaces.console.process", None)
    assert run(["console"]) == 2
    assert capsys.readouterr().err == (
        "sop: the console needs the extra 'console': pip install 'sop-streams[console]'\n"
    )


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (0, "0 s"),
        (59 * SECOND, "59 s"),
        (MINUTE, "1 min"),
        (119 * MINUTE, "1 h 59 min"),
        (3 * HOUR + MINUTE, "3 h"),
        (2 * DAY + 5 * HOUR, "2 d 5 h"),
        (3 * DAY + 5 * HOUR, "3 d"),
    ],
)
def test_a_duration_is_said_in_one_unit_or_two(us: int, text: str) -> None:
    assert duration(us) == duration(-us) == text


def test_an_instant_is_said_as_seen_from_now() -> None:
    assert [relative(at, 10 * SECOND) for at in (8 * SECOND, 10 * SECOND, 12 * SECOND)] == ["2 s ago", "now", "in 2 s"]


@pytest.mark.parametrize(
    ("name", "text"),
    [("paf", "PAF"), ("a_b/not_c", "a b / not c"), ("bpc_only", "BPC only"), ("", "")],
)
def test_names_are_said_in_words(name: str, text: str) -> None:
    assert words(name) == text


def test_ids_in_addresses_cannot_leave_their_page() -> None:
    assert [href("cases", each) for each in ("a/b", "..", ".", "//x")] == [
        "/cases/a%2Fb",
        "/cases/?id=..",
        "/cases/?id=.",
        "/cases/%2F%2Fx",
    ]


def test_counts_have_thin_spaces() -> None:
    assert number(1234567) == "1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567"
