"""Links of payment proofs (DIS-6): an image, a ticket id, or neither."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agents.sops.offline_service.policy import Offline
from agents.sops.offline_service.proof_link import link_fault
from schemas.policy.patterns import matches

OFFLINE = Offline()
TICKETS = ("T-1", "complaint/Ünit")
FOLDERS = [
    "image",
    "images",
    "img",
    "media",
    "photo",
    "photos",
    "attachment",
    "attachments",
    "upload",
    "uploads",
    "file",
    "files",
    "proof",
    "proofs",
    "screenshot",
    "screenshots",
]
ENDINGS = ["jpg", "jpeg", "png", "webp", "gif", "heic", "heif", "avif", "bmp", "tif", "tiff", "pdf"]


@pytest.mark.parametrize("link", ["", " ", "\t\n", "\u00a0\u2003"])
def test_a_blank_link_is_missing(link: str) -> None:
    assert link_fault(link, TICKETS, OFFLINE) == "proof_link_missing"


@pytest.mark.parametrize(
    "link",
    [
        "T-1",
        " t-1\n",
        "COMPLAINT/ÜNIT",
        "7",
        "#7",
        "12345678901234567890",
        "TCK123",
        "#tck-123",
        "tck_123",
        "tck#123",
        "tck 123",
        "abcdefghijkl1",
    ],
)
def test_a_ticket_id_is_no_link(link: str) -> None:
    assert link_fault(link, TICKETS, OFFLINE) == "proof_link_is_ticket"


@pytest.mark.parametrize("link", ["123456789012345678901", "abcdefghijklm1", "tck--1", "T-1a", "tck", "#", "T -2"])
def test_what_only_resembles_a_ticket_id_is_invalid(link: str) -> None:
    assert link_fault(link, TICKETS, OFFLINE) == "proof_link_invalid"


@pytest.mark.parametrize("folder", FOLDERS)
def test_something_in_a_folder_of_images_is_an_image(folder: str) -> None:
    assert link_fault(f"https://h.example/a/{folder}/x", (), OFFLINE) is None
    assert link_fault(f"https://h.example/{folder.upper()}/x", (), OFFLINE) is None
    assert link_fault(f"https://h.example/{folder}/", (), OFFLINE) == "proof_link_invalid"
    assert link_fault(f"https://h.example/{folder}", (), OFFLINE) == "proof_link_invalid"
    assert link_fault(f"https://h.example/my{folder}/x", (), OFFLINE) == "proof_link_invalid"


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_path_with_the_ending_of_an_image_is_an_image(ending: str) -> None:
    assert link_fault(f"http://h.example/x.{ending}", (), OFFLINE) is None
    assert link_fault(f"http://h.example/x.{ending.upper()}?size=2#top", (), OFFLINE) is None
    assert link_fault(f"http://h.example/x.{ending}x", (), OFFLINE) == "proof_link_invalid"
    assert link_fault(f"http://h.example/x{ending}", (), OFFLINE) == "proof_link_invalid"
    assert link_fault(f"http://h.example/view?x=/images/a.{ending}", (), OFFLINE) == "proof_link_invalid"
    assert link_fault(f"http://h.example/view#/images/a.{ending}", (), OFFLINE) == "proof_link_invalid"


@pytest.mark.parametrize(
    "link",
    [
        " https://h.example/a.png ",
        "HTTPS://H.example:8443/a.png",
        "https://user:pw@h.example/a.png",
        "https://192.0.2.1/a.png",
        "https://[2001:db8::1]/a.png",
    ],
)
def test_a_link_is_an_absolute_web_address(link: str) -> None:
    assert link_fault(link, (), OFFLINE) is None


@pytest.mark.parametrize(
    "link",
    [
        "h.example/a.png",
        "//h.example/a.png",
        "/images/a.png",
        "ftp://h.example/a.png",
        "file:///images/a.png",
        "https:a.png",
        "https:/images/a.png",
        "https:///a.png",
        "https://:443/a.png",
        "https://user@/a.png",
        "https://h.example:port/a.png",
        "https://h.example:99999/a.png",
        "https://[2001:db8::1/a.png",
        "https://h\u2100.example/a.png",
        "https://h.example/my photo.png",
        "https://h.example/a\n.png",
        "https://h.example/a\x00.png",
        "https://h.example",
    ],
)
def test_no_other_address_is_valid(link: str) -> None:
    assert link_fault(link, (), OFFLINE) == "proof_link_invalid"


def test_the_patterns_come_from_the_policy() -> None:
    strict = replace(OFFLINE, ticket_id_pattern="^CASE$", image_link_pattern=r"\.only$")
    assert link_fault("CASE", (), strict) == "proof_link_is_ticket"
    assert link_fault("7", (), strict) == "proof_link_invalid"
    assert link_fault("https://h.example/x.ONLY", (), strict) is None
    assert link_fault("https://h.example/x.png", (), strict) == "proof_link_invalid"


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)+$", "(.*)*z", "(a*)*b!", "(.*.*.*.*)*z", "(a?){99}(a){99}b!"])
@pytest.mark.parametrize("link", ["https://host.test/" + "a" * 100_000 + "!", "a" * 100_000 + "!"])
def test_no_pattern_makes_a_long_link_slow(pattern: str, link: str) -> None:
    patterns = replace(OFFLINE, ticket_id_pattern=pattern, image_link_pattern=pattern)
    assert link_fault(link, (), patterns) == "proof_link_invalid"


# Characters that Python takes for a digit or, letter case ignored, for a letter of an ending.
UNUSUAL = "\u0660\u0967\U0001d7ce\u00b2\u2460\u2167\u0130\u0131\u212a\u017f\u00df\u1e9e\ufb01"


@given(st.text(st.sampled_from("aZ09-_# \n/.gifkstIKS" + UNUSUAL)) | st.text())
def test_the_built_in_patterns_match_as_in_python(text: str) -> None:
    ticket_id, image = OFFLINE.ticket_id_pattern, OFFLINE.image_link_pattern
    trimmed = text.strip()
    assert matches(ticket_id, trimmed) == (re.search(ticket_id, trimmed) is not None)
    for path in (f"/files/{trimmed}", f"/{trimmed}/x", f"/x.{trimmed}", trimmed):
        if not path.endswith("\n"):
            assert matches(image, path, ignore_case=True) == (re.search(image, path, re.IGNORECASE) is not None)


@pytest.mark.parametrize("unusual", UNUSUAL)
def test_unusual_characters_match_as_in_python(unusual: str) -> None:
    ticket_id, image = OFFLINE.ticket_id_pattern, OFFLINE.image_link_pattern
    for text in (unusual, f"#{unusual}", f"T-{unusual}"):
        assert matches(ticket_id, text) == (re.search(ticket_id, text) is not None)
    for path in (f"/x.{unusual}", f"/x.t{unusual}ff", f"/{unusual}mages/x", f"/x.g{unusual}f", f"/file{unusual}/x"):
        assert matches(image, path, ignore_case=True) == (re.search(image, path, re.IGNORECASE) is not None)


@pytest.mark.parametrize("link", ["\ud800", "https://h.example/\ud800.png"])
def test_a_lone_surrogate_is_like_any_character(link: str) -> None:
    assert link_fault(link, (), OFFLINE) == (None if link.endswith(".png") else "proof_link_invalid")


@given(st.one_of(st.text(), st.text().map("https://".__add__)))
def test_any_text_is_judged(link: str) -> None:
    fault = link_fault(link, TICKETS, OFFLINE)
    assert (fault == "proof_link_missing") == (not link.strip())
    assert fault is not None or link.strip().lower().startswith(("http://", "https://"))
