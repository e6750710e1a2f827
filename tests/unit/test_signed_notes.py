"""Signed notes: the example of Go's own documentation, and no other text or key."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from schemas.errors import UsageError
from streams.audit.keys import make_key, read_signer, read_verifier
from streams.audit.note import Signer, Verifier, open_note, signed_note

# the examples of golang.org/x/mod/sumdb/note
PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NOTE = (
    f"{TEXT}\n\u2014 PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_a_note_is_signed_as_go_signs_it() -> None:
    signer = Signer.parse(PRIVATE)
    assert signed_note(TEXT, signer) == NOTE
    assert (str(signer), str(signer.verifier)) == (PRIVATE, PUBLIC)
    assert PRIVATE not in repr(signer)


def test_a_note_of_go_is_opened() -> None:
    assert open_note(NOTE, Verifier.parse(PUBLIC)) == TEXT


def test_signatures_of_others_are_passed_over(tmp_path: Path) -> None:
    make_key("witness.example.com", str(tmp_path / "witness"))
    line = signed_note(TEXT, read_signer(str(tmp_path / "witness"))).splitlines()[-1]
    text, own = NOTE.rsplit("\n\n", 1)
    assert open_note(f"{text}\n\n{line}\n{own}", Verifier.parse(PUBLIC)) == TEXT


@pytest.mark.parametrize(
    ("note", "reason"),
    [
        (NOTE.replace("answer", "Answer"), "the signature of PeterNeumann does not belong to it"),
        (NOTE.replace("PeterNeumann x08", "PeterNeumann x18"), "another key of PeterNeumann signed it"),
        (NOTE.replace("\u2014 PeterNeumann", "\u2014 Peter"), "PeterNeumann did not sign it"),
        (NOTE.replace("\u2014", "-"), "it is not a signed note"),
        (NOTE.replace("x08go", "x08g*"), "it is not base64"),
        (NOTE[:-1], "it is not a signed note"),
        (TEXT, "it is not a signed note"),
        ("", "it is not a signed note"),
    ],
)
def test_no_other_note_is_opened(note: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        open_note(note, Verifier.parse(PUBLIC))


def test_a_private_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    verifier = make_key("example.com/log", str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_signer(str(path)).verifier == verifier == read_verifier(str(verifier))
    (tmp_path / "public").write_text(f"{verifier}\n")
    assert read_verifier(str(tmp_path / "public")) == verifier
    with pytest.raises(UsageError, match=r"key: File exists"):
        make_key("example.com/log", str(path))


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n"])
def test_a_name_that_no_key_can_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no name for a key"):
        make_key(name, str(tmp_path / "key"))


@pytest.mark.parametrize(
    "text",
    ["", "x", PUBLIC[:-4], PUBLIC.replace("c74f", "c74e"), PUBLIC.replace("+A", "+B"), PRIVATE],
)
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="public key"):
        Verifier.parse(text)


@pytest.mark.parametrize("text", ["", PUBLIC, PRIVATE[:-4], PRIVATE.replace("c74f", "c74e")])
def test_what_is_no_private_key_is_refused_without_being_shown(text: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(text)
    with pytest.raises(UsageError, match="private key") as raised:
        read_signer(str(tmp_path / "key"))
    assert not text or text not in str(raised.value)


def test_a_file_that_is_absent_or_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff")
    for name, reason in (("absent", "No such file or directory"), ("bytes", "not a key")):
        with pytest.raises(UsageError, match=f"{name}: {reason}"):
            read_signer(str(tmp_path / name))
