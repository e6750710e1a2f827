"""Signatures on policy documents: two of the named keys have to sign the very document."""

from __future__ import annotations

import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.errors import PolicyError, UsageError
from schemas.policy.document import SIGNATURE_HEADER
from streams.audit.note import Signer
from streams.audit.policy_signatures import SignatureCheck, signature_line, signature_lines
from streams.config.settings import Settings
from streams.operations.signature_check import signature_check, signature_headers
from streams.policies.book import unsigned

ONE, TWO, OTHER = (
    Signer.of(name, Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))
    for number, name in enumerate(("one", "two", "other"), 1)
)
ALIAS = Signer.of("alias", ONE.key)
"""The key of ONE under another name."""
DOCUMENT = 'label = "x"\n\npark.duration = "1 h"'
CHECK = SignatureCheck([str(ONE.verifier), str(TWO.verifier), str(ALIAS.verifier)])


def lines(*signers: Signer, document: str = DOCUMENT) -> list[str]:
    return [signature_line(document, signer) for signer in signers]


@pytest.mark.parametrize("document", [DOCUMENT, DOCUMENT + "\n", DOCUMENT + "\n\n", ""])
def test_two_keys_are_enough(document: str) -> None:
    headers = [(SIGNATURE_HEADER, line.encode()) for line in lines(TWO, OTHER, ONE, document=document)]
    assert CHECK(document, [("other", b"x"), *headers]) == ["one", "two"]


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ([], "none of the keys of SOP_POLICY_KEYS has signed it, 2 have to"),
        (lines(ONE), "only one has signed it"),
        (lines(ONE, ONE), "only one has signed it"),
        (lines(ONE, OTHER), "only one has signed it"),
        (lines(ONE, ALIAS), "signed it, 2 have to"),
        (lines(ONE, TWO, document="label = 'y'"), "none of the keys"),
        ([lines(ONE)[0], lines(TWO, document="other")[0]], "only one has signed it"),
        (["\n".join(lines(ONE, TWO))], "none of the keys"),
        (["nonsense"], "none of the keys"),
    ],
)
def test_less_is_refused(found: list[str], why: str) -> None:
    with pytest.raises(PolicyError, match=f"^signatures: .*{why}"):
        CHECK.verify(DOCUMENT, found)


def test_the_beginning_of_a_signed_document_is_not_signed() -> None:
    whole = f"{DOCUMENT}\n\nproof.min_images = 1\n"
    rest = ["\nproof.min_images = 1\n\n" + "\n".join(lines(ONE, TWO, document=whole))]
    with pytest.raises(PolicyError, match="none of the keys"):
        CHECK.verify(DOCUMENT, rest)


def test_nobody_can_sign_a_withdrawal() -> None:
    with pytest.raises(PolicyError, match=r"^signatures: a withdrawal has none"):
        CHECK(None, [])


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        (["x"], "SOP_POLICY_KEYS: it is not a public key"),
        ([str(ONE.verifier)], "fewer than 2 different keys"),
        ([str(ONE.verifier), str(ALIAS.verifier)], "fewer than 2 different keys"),
    ],
)
def test_keys_that_cannot_be_used_are_refused(keys: list[str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        SignatureCheck(keys)


def test_a_file_of_signatures_has_nothing_else() -> None:
    assert signature_lines("\n".join([*lines(ONE), "", *lines(TWO)]), "x.sig") == lines(ONE, TWO)
    with pytest.raises(UsageError, match=r"^x\.sig: not a file of signatures"):
        signature_lines("label = 1", "x.sig")


def test_without_the_extra_one_line_names_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(policy_keys=(str(ONE.verifier), str(TWO.verifier)))
    assert signature_check(Settings()) is unsigned
    signature_check(settings)(DOCUMENT, signature_headers(lines(ONE, TWO)))
    monkeypatch.setitem(sys.modules, "streams.audit.policy_signatures", None)
    with pytest.raises(
        UsageError, match=r"^SOP_POLICY_KEYS needs the extra 'audit': pip install 'sop-streams\[audit\]'$"
    ):
        signature_check(settings)
