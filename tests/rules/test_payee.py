"""The payee of a proof and the identified partner (DIS-4, DIS-7): phones, name scores, and which of them decides."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agents.sops.offline_service.payee import e164, has_payee, name_score, payee_differs, phone_number
from agents.sops.offline_service.policy import Offline
from schemas.events import Money, PartnerIdentified, PaymentProofAdded

OFFLINE = Offline()
RAVI, OTHER = "Ravi Kumar", "Sunil Mehta"
PHONE, OTHER_PHONE = "9876543210", "9876543211"


def proof(name: str | None, phone: str | None = None) -> PaymentProofAdded:
    """Return a payment proof that shows this payee."""
    return PaymentProofAdded(
        ticket_id="o1",
        claimed_partner_id="p1",
        method="upi",
        proof_url="https://media.example/proof/1.jpg",
        legible=True,
        amount=Money("1500", "INR"),
        paid_on="2026-11-20",
        service_date="2026-11-20",
        payee_name=name,
        payee_phone=phone,
    )


def identified(name: str | None, phone: str | None = None) -> PartnerIdentified:
    """Return the identification of a partner with this name and phone."""
    return PartnerIdentified(ticket_id="o1", partner_id="p1", name=name, phone=phone)


@pytest.mark.parametrize(
    ("phone", "expected"),
    [
        ("+91 98765 43210", "+919876543210"),
        ("098765-43210", "+919876543210"),
        (" 9876543210 ", "+919876543210"),
        ("٩٨٧٦٥٤٣٢١٠", "+919876543210"),
        ("+1 (650) 253-0000", "+16502530000"),
        ("+91 12", "+9112"),  # nobody has it, but it can be parsed
        ("unknown", None),
        ("-", None),
        ("+999 123456", None),
    ],
)
def test_a_phone_is_read_as_e164(phone: str, expected: str | None) -> None:
    assert e164(phone, "IN") == expected


def test_a_phone_without_a_country_code_is_one_of_the_region() -> None:
    assert e164("650 253 0000", "US") == "+16502530000"
    assert e164("650 253 0000", "IN") == "+916502530000"


@given(st.text(max_size=300))
def test_any_text_is_a_phone_or_none(phone: str) -> None:
    read = e164(phone, "IN")
    assert read is None or read.startswith("+")


@pytest.mark.parametrize(
    ("one", "other", "passes"),
    [
        ("RAMESH KUMAR", "Kumar, Ramesh", True),
        ("Ravi", "Ravi Kumar Sharma", False),
        ("Shri Ravi Sharma", "Ravi Kumar Sharma", True),
        ("Mr. Ravi", "RAVI", True),
        ("Dr Ravi", "Ravi Kumar", False),  # one word is left
        ("\uff32\uff21\uff36\uff29\u3000Kumar", "ravi kumar", True),  # full-width letters
        ("Ravi-Kumar", "Ravi Kumar", True),
        ("रवि कुमार", "कुमार रवि", True),
        ("Ravi Kumar", "Sunil Mehta", False),
        ("Straße", "STRASSE", True),
        ("Mr.", "Mr.", False),
        ("...", "...", False),
    ],
)
def test_name_score(one: str, other: str, passes: bool) -> None:
    assert (name_score(one, other, OFFLINE.honorifics) >= OFFLINE.name_similarity) is passes


@pytest.mark.parametrize("word", ["Mr", "MRS.", "Ms", "dr", "Shri", "Sri.", "Smt", "Kumari"])
def test_honorifics_are_dropped(word: str) -> None:
    assert name_score(f"{word} Ravi", "ravi", OFFLINE.honorifics) == 1.0


def test_the_honorifics_come_from_the_policy() -> None:
    assert name_score("Mr Ravi", "Ravi", ()) < 1.0
    assert name_score("mr ravi", "Ravi", ("Mr",)) == 1.0


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_name_score_is_symmetric_and_between_0_and_1(one: str, other: str) -> None:
    score = name_score(one, other, OFFLINE.honorifics)
    assert 0.0 <= score <= 1.0
    assert score == name_score(other, one, OFFLINE.honorifics)


@pytest.mark.parametrize(
    "phone",
    [
        "9876543210 (Ravi)",
        "9876543210(Ravi)",
        "(Ravi Kumar) 9876543210",
        "Ravi 9876543210",
        "Mob.: 98765-43210",
        "Ph:9876543210",
        "98765 43210 - home, Ravi",
        "9876543210 []",
        "9876543210 (Ravi*)",
        "9876543210(office #)",
        "Mob# 9876543210",
        "9876543210 *Ravi*",
        "tel:+919876543210",
        "UPI +91 98765 43210 (PhonePe)",
        "(+91) 98765 43210",
        "+ 91 98765 43210",
        "\u202a+91 98765 43210\u202c",  # as copied from a list of contacts
        "फ़ोन 9876543210",
        "Alex 9876543210 x",
        "\uff19876543210",
    ],
)
def test_words_and_brackets_around_a_number_are_dropped(phone: str) -> None:
    number = phone_number(phone)
    assert number is not None
    assert e164(number, "IN") == "+919876543210"


@pytest.mark.parametrize(
    "phone",
    [
        "98765XxXxX",
        "xxxxx43210",
        "98xxxxxx10",
        "98765 XxXxX",
        "XxXxX-43210",
        "+91 XX XxX 43210",
        "98765 x x x x x",
        "XxXXxXXxXX",
        "98765*****",
        "***** 43210",
        "9876543*1*",
        "987654321*",
        "98765•••••",
        "98765#####",
        "98765 ##### (Ravi#)",
        "98765 (*****)",
        "98765 (Ravi*) 43210",
        "98765\uff0a\uff0a\uff0a\uff0a\uff0a",
        "98765abcde",
        "98765 (Ravi) 43210",
        "9876543210 ext 5",
        "98765XxXxX (Ravi)",
        "(XxXxX) 43210",
        "",
        " \t",
        None,
    ],
)
def test_a_phone_with_a_masked_digit_is_absent(phone: str | None) -> None:
    assert phone_number(phone) is None


@pytest.mark.parametrize("phone", ["unknown", "-", "(Ravi)", "xylophone"])
def test_a_phone_without_digits_is_there_but_cannot_be_parsed(phone: str) -> None:
    assert phone_number(phone) == phone
    assert e164(phone, "IN") is None


@given(st.text(max_size=40))
def test_a_number_that_was_found_is_found_again(phone: str) -> None:
    number = phone_number(phone)
    assert number is None or phone_number(number) == number


@pytest.mark.parametrize(
    ("name", "phone", "expected"),
    [
        (RAVI, PHONE, True),
        (None, "unknown", True),
        (None, "98765XxXxX", False),
        ("Mr.", None, False),
        ("Mr. R", None, True),
        ("Shri Smt.", " ", False),
        ("...", "98765*****", False),
        (RAVI, None, True),
        (None, PHONE, True),
        (" ", "\t", False),
        (None, None, False),
        ("", " ", False),
    ],
)
def test_a_payee_is_visible_by_name_or_phone(name: str | None, phone: str | None, expected: bool) -> None:
    assert has_payee(proof(name, phone), OFFLINE) is expected


@pytest.mark.parametrize(
    ("payee", "partner", "differs"),
    [
        ((RAVI, PHONE), (RAVI, "+91 98765 43210"), False),
        ((OTHER, PHONE), (RAVI, PHONE), False),  # a phone that matches decides
        ((RAVI, OTHER_PHONE), (RAVI, PHONE), True),
        ((RAVI, "unknown"), (RAVI, PHONE), True),
        ((RAVI, PHONE), (RAVI, "unknown"), True),
        ((RAVI, "unknown"), (RAVI, "unknown"), True),
        ((RAVI, None), (RAVI, PHONE), False),
        ((RAVI, " "), (RAVI, PHONE), False),
        ((RAVI, PHONE), (RAVI, ""), False),
        ((OTHER, None), (RAVI, PHONE), True),
        ((RAVI, None), (None, PHONE), True),
        ((None, PHONE), (RAVI, None), True),
        ((RAVI, PHONE), (None, None), True),
        ((RAVI, PHONE), (" ", " "), True),
        ((RAVI, "98765XxXxX"), (RAVI, OTHER_PHONE), False),
        ((OTHER, "98765XxXxX"), (RAVI, PHONE), True),
        ((RAVI, PHONE), (RAVI, "98765*****"), False),
        ((None, PHONE), (RAVI, "98765*****"), True),
        ((RAVI, PHONE), ("Mrs.", None), True),
        ((RAVI, "9876543210 (Ravi)"), (RAVI, PHONE), False),
        ((RAVI, "9876543211 (Ravi)"), (RAVI, PHONE), True),
    ],
)
def test_phones_decide_then_names_and_nothing_to_compare_differs(
    payee: tuple[str | None, str | None], partner: tuple[str | None, str | None], differs: bool
) -> None:
    shown = proof(*payee)
    assert payee_differs(shown, identified(*partner), OFFLINE) is differs


def test_a_name_without_words_is_not_compared_whatever_the_policy() -> None:
    anything = replace(OFFLINE, name_similarity=0.0)
    shown = proof("Mr.")
    assert payee_differs(shown, identified("Mrs."), anything)
    assert not payee_differs(proof("A"), identified("B"), anything)


def test_a_score_equal_to_the_bound_passes() -> None:
    shown, partner = proof("Ravi Kumer"), identified(RAVI)
    score = name_score("Ravi Kumer", RAVI, OFFLINE.honorifics)
    assert 0.5 < score < 1.0
    assert not payee_differs(shown, partner, replace(OFFLINE, name_similarity=score))
    assert payee_differs(shown, partner, replace(OFFLINE, name_similarity=math.nextafter(score, 1)))
