"""Decoding inbound records: both content modes, the limits on size, time and nesting, and the reasons of errors."""

import json
from base64 import b64encode
from typing import Any

import pytest

from schemas.codec.decoder import decode_record
from schemas.codec.limits import Limits
from schemas.codec.validation import data_checks
from schemas.errors import InvalidMessage
from schemas.events import EVENT_TYPES, FIELDS, LocationReported
from tests.inbound import DATA, changed, decoded, encoded, envelope, packed_and_unpacked

LIMITS = Limits()
HOUR_US = 3_600_000_000
TEN_O_CLOCK_US = 1_795_255_200_000_000  # 2026-11-21T10:00:00Z


def rejection(value: bytes | None, limits: Limits = LIMITS, **arguments: Any) -> str:
    with pytest.raises(InvalidMessage) as error:
        decode_record(value, arguments.pop("headers", None), limits, **arguments)
    assert "\n" not in error.value.reason
    return error.value.reason


def binary_headers(**replaced: bytes | None) -> list[tuple[str, bytes | None]]:
    headers = {
        "ce_specversion": b"1.0",
        "ce_id": b"e-1",
        "ce_source": b"/apps/partner",
        "ce_type": b"job.rated",
        "ce_subject": b"job-1",
        "ce_time": b"2026-11-21T10:00:00Z",
        "content-type": b"application/json",
        **replaced,
    }
    return list(headers.items())


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_type_is_decoded_into_its_struct_with_all_fields(event_type: str) -> None:
    event = decoded(envelope(event_type))
    assert (event.source, event.id, event.type, event.subject, event.time) == (
        "/apps/partner",
        "e-1",
        event_type,
        "job-1",
        TEN_O_CLOCK_US,
    )
    assert type(event.data) is EVENT_TYPES[event_type]
    for name, value in DATA[event_type].items():
        field = getattr(event.data, name)
        assert field == value or {key: getattr(field, key) for key in value} == value


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_the_order_of_the_contract_has_every_field_once(event_type: str) -> None:
    assert sorted(field.name for field in FIELDS[event_type]) == sorted(EVENT_TYPES[event_type].__struct_fields__)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_null_optional_field_is_the_same_as_an_absent_one(event_type: str) -> None:
    optional = [field.name for field in FIELDS[event_type] if not field.required]
    absent, null = envelope(event_type), envelope(event_type)
    for name in optional:
        del absent["data"][name]
        null["data"][name] = None
    assert decoded(absent) == decoded(null)


@pytest.mark.parametrize(
    ("event_type", "path"),
    [(name, f"data.{field.name}") for name, fields in FIELDS.items() for field in fields if field.required]
    + [("job.booked", "data.site.lat"), ("job.booked", "data.site.lon"), ("job.booked", "data.amount.currency")]
    + [("job.rated", name) for name in ("specversion", "id", "source", "type", "subject", "time", "data")],
)
@pytest.mark.parametrize("absent_or_null", [..., None])
def test_a_missing_required_member_is_named(event_type: str, path: str, absent_or_null: Any) -> None:
    assert rejection(encoded(changed(event_type, path, absent_or_null))) == f"{path}: missing"


@pytest.mark.parametrize(
    ("event_type", "path"), [(name, f"data.{field.name}") for name, fields in FIELDS.items() for field in fields]
)
@pytest.mark.parametrize("wrong", [[], {"no": 1}])
def test_an_ill_typed_field_is_named_even_if_it_is_optional(event_type: str, path: str, wrong: Any) -> None:
    assert rejection(encoded(changed(event_type, path, wrong))).startswith(path)


@pytest.mark.parametrize(
    ("event_type", "path", "value", "reason"),
    [
        ("job.booked", "specversion", "0.3", "specversion: not 1.0"),
        ("job.booked", "id", " \t", "id: blank"),
        ("job.booked", "id", 7, "id: not a string"),
        ("job.booked", "id", "x" * 257, "id: 257 characters, at most 256"),
        ("job.booked", "source", "", "source: blank"),
        ("job.booked", "source", "not a uri", "source: not a URI reference"),
        ("job.booked", "source", "/a%2", "source: not a URI reference"),
        ("job.booked", "type", "job.invented", "type: 'job.invented' is not known"),
        ("job.booked", "type", "line\nbreak", "type: 'line\\nbreak' is not known"),
        ("job.booked", "subject", "", "subject: blank"),
        ("job.booked", "time", 5, "time: not a string"),
        ("job.booked", "time", "2026-11-21T10:00:00", "time: not an RFC 3339 date-time with an offset"),
        ("job.booked", "datacontenttype", 1, "datacontenttype: not a string"),
        ("job.booked", "data", [], "data: not an object"),
        ("job.booked", "data.customer_id", "\u3000", "data.customer_id: blank"),
        ("job.booked", "data.city", "x" * 257, "data.city: 257 characters, at most 256"),
        ("job.booked", "data.site", "here", "data.site: not an object"),
        ("job.booked", "data.site.lat", "18", "data.site.lat: not a number"),
        ("job.booked", "data.site.lat", True, "data.site.lat: not a number"),
        ("job.booked", "data.site.lat", 90.0001, "data.site.lat: not within -90 to 90"),
        ("job.booked", "data.site.lon", -180.0001, "data.site.lon: not within -180 to 180"),
        ("job.booked", "data.site.lon", 10**400, "data.site.lon: not within -180 to 180"),
        (
            "job.booked",
            "data.premises",
            "Residential",
            "data.premises: not one of residential, commercial",
        ),
        ("job.booked", "data.amount.currency", "inr", "data.amount.currency: not three capital letters"),
        ("job.assigned", "data.partner_group", 1, "data.partner_group: not a string"),
        ("location.reported", "data.accuracy_m", -0.1, "data.accuracy_m: below 0"),
        ("location.reported", "data.accuracy_m", 10**400, "data.accuracy_m: too large"),
        ("location.reported", "data.mocked", 0, "data.mocked: not true or false"),
        ("location.reported", "data.job_id", "", "data.job_id: blank"),
        ("job.rated", "data.stars", 0, "data.stars: not within 1 to 5"),
        ("job.rated", "data.stars", 6, "data.stars: not within 1 to 5"),
        ("job.rated", "data.stars", 5.0, "data.stars: not a whole number"),
        ("job.rated", "data.stars", True, "data.stars: not a whole number"),
        ("job.rated", "data.stars", "5", "data.stars: not a whole number"),
        ("ticket.created", "data.refund_requested", "true", "data.refund_requested: not true or false"),
        ("ticket.media_added", "data.url", "h" * 2049, "data.url: 2049 characters, at most 2048"),
        ("ticket.media_added", "data.url", " ", "data.url: blank"),
        ("ticket.payment_proof_added", "data.paid_on", "2026-02-29", "data.paid_on: no such date"),
        ("ticket.payment_proof_added", "data.paid_on", "2026-1-1", "data.paid_on: not a full date (YYYY-MM-DD)"),
        ("ticket.payment_proof_added", "data.sha256", "", "data.sha256: blank"),
    ],
)
def test_the_reason_begins_with_the_path(event_type: str, path: str, value: Any, reason: str) -> None:
    assert rejection(encoded(changed(event_type, path, value))) == reason


@pytest.mark.parametrize(
    "amount",
    ["", "-1", "+1", "01", "1.", ".5", "1.00000", "1" * 13, "1e3", "1,000", " 1", "1\n", "\u0661", "NaN", 1, 1.5],
)
def test_an_amount_is_a_plain_decimal_string(amount: Any) -> None:
    assert rejection(encoded(changed("job.line_item_added", "data.amount.amount", amount))).startswith(
        "data.amount.amount:"
    )


@pytest.mark.parametrize("amount", ["0", "0.5", "1", "10.1234", "9" * 12, "9" * 12 + ".9999"])
def test_an_amount_within_bounds_is_kept_as_written(amount: str) -> None:
    event = decoded(changed("job.line_item_added", "data.amount.amount", amount))
    assert event.data.amount.amount == amount  # type: ignore[union-attr]


def test_the_first_violation_in_the_order_of_the_contract_is_named() -> None:
    wrong = changed("job.booked", "data", {"scheduled_for": 1, "appliance_use": "industrial", "premises": "commercial"})
    complete = {**envelope("job.booked")["data"], **wrong["data"]}
    assert rejection(encoded({**wrong, "data": complete})).startswith("data.appliance_use:")
    assert rejection(encoded({**wrong, "time": "yesterday"})).startswith("time:")
    assert rejection(encoded({**wrong, "type": "x", "time": "yesterday"})).startswith("type:")
    assert rejection(encoded({**wrong, "id": "", "source": ""})).startswith("id:")


@pytest.mark.parametrize(
    ("event_type", "name"),
    [
        ("job.assigned", "partner_group"),
        ("job.line_item_added", "description"),
        ("ticket.partner_identified", "name"),
        ("ticket.partner_identified", "phone"),
        ("ticket.payment_proof_added", "payee_name"),
        ("ticket.payment_proof_added", "payee_phone"),
    ],
)
@pytest.mark.parametrize("blank", ["", "  ", "\u3000" * 256])
def test_blank_names_phones_groups_and_descriptions_are_absent(event_type: str, name: str, blank: str) -> None:
    assert getattr(decoded(changed(event_type, f"data.{name}", blank)).data, name) is None


@pytest.mark.parametrize(
    ("event_type", "name", "max_chars"),
    [
        ("job.assigned", "partner_group", 256),
        ("job.line_item_added", "description", LIMITS.value_bytes),
        ("ticket.partner_identified", "name", 256),
        ("ticket.partner_identified", "phone", 256),
        ("ticket.payment_proof_added", "payee_name", 256),
        ("ticket.payment_proof_added", "payee_phone", 256),
        ("ticket.payment_proof_added", "proof_url", 2048),
        ("ticket.media_added", "url", 2048),
        ("job.assigned", "partner_id", 256),
    ],
)
@pytest.mark.parametrize("char", [" ", "x"])
def test_text_over_its_limit_is_rejected_even_if_it_is_blank(
    event_type: str, name: str, max_chars: int, char: str
) -> None:
    check = data_checks(LIMITS)[event_type]
    check({**DATA[event_type], name: "x" * max_chars})
    with pytest.raises(InvalidMessage, match=rf"^data\.{name}: {max_chars + 1} characters, at most {max_chars}$"):
        check({**DATA[event_type], name: char * (max_chars + 1)})


@pytest.mark.parametrize("link", ["", " ", " " * 2048])
def test_a_blank_proof_link_is_kept(link: str) -> None:
    assert decoded(changed("ticket.payment_proof_added", "data.proof_url", link)).data.proof_url == link  # type: ignore[union-attr]


def test_unknown_members_and_fields_are_ignored() -> None:
    more = envelope("job.rated", traceparent="00-1", data={"stars": 5, "mood": {"deep": [1, None]}})
    assert decoded(more).data == decoded(envelope("job.rated", data={"stars": 5})).data


def test_a_binary_record_holds_the_same_event_as_a_structured_one() -> None:
    binary = decode_record(encoded(DATA["job.rated"]), binary_headers(), LIMITS)
    assert binary == decoded(envelope("job.rated"))


BASE64 = b64encode(encoded(DATA["job.rated"])).decode()


def test_base64_data_holds_the_same_event() -> None:
    structured = envelope("job.rated", data=None, data_base64=BASE64)
    assert decoded(structured) == decoded(envelope("job.rated"))
    del structured["data"]
    assert decoded(structured) == decoded(envelope("job.rated"))


@pytest.mark.parametrize("value", [None, b""])
def test_base64_data_is_decoded_in_binary_mode_if_the_value_is_empty(value: bytes | None) -> None:
    event = decode_record(value, binary_headers(ce_data_base64=BASE64.encode()), LIMITS)
    assert event == decoded(envelope("job.rated"))


def test_data_takes_precedence_over_base64_data() -> None:
    assert decoded(envelope("job.rated", data_base64="!")) == decoded(envelope("job.rated"))
    binary = decode_record(encoded(DATA["job.rated"]), binary_headers(ce_data_base64=b"!"), LIMITS)
    assert binary == decoded(envelope("job.rated"))


@pytest.mark.parametrize(
    ("data_base64", "reason"),
    [
        (7, "data_base64: not a string"),
        ("!", "data_base64: not base64"),
        ("e30", "data_base64: not base64"),
        ("e 30=", "data_base64: not base64"),
        ("é", "data_base64: not base64"),
        ("", "data_base64: not JSON"),
        (b64encode(b"\x89PNG").decode(), "data_base64: not JSON"),
        (b64encode(b"[]").decode(), "data: not an object"),
        (b64encode(b"null").decode(), "data: missing"),
        (b64encode(b"{}").decode(), "data.stars: missing"),
        (b64encode(b"[" * 70 + b"]" * 70).decode(), "data_base64: nested more than 64 levels deep"),
        (None, "data: missing"),
    ],
)
def test_invalid_base64_data_is_rejected_with_the_reason(data_base64: object, reason: str) -> None:
    assert rejection(encoded(envelope("job.rated", data=None, data_base64=data_base64))).startswith(reason)


def test_a_structured_content_type_overrides_other_headers() -> None:
    headers = binary_headers(**{"content-type": b"application/cloudevents+json; charset=UTF-8"}, ce_id=b"other")
    assert decode_record(encoded(envelope("job.rated")), headers, LIMITS).id == "e-1"
    assert decode_record(encoded(envelope("job.rated")), [("trace", b"1")], LIMITS).id == "e-1"


@pytest.mark.parametrize(
    ("headers", "value", "reason"),
    [
        (binary_headers(ce_id=b"\xff"), b"{}", "id: not UTF-8"),
        (binary_headers(ce_id=None), b"{}", "id: missing"),
        (binary_headers(ce_time=b"soon"), b"no json", "time: not an RFC 3339 date-time with an offset"),
        (binary_headers(), b"null", "data: missing"),
        (binary_headers(), b"[]", "data: not an object"),
        (binary_headers(), b'{"stars":9}', "data.stars: not within 1 to 5"),
    ],
)
def test_a_violation_in_a_binary_record_is_named_like_one_in_a_structured_record(
    headers: list[tuple[str, bytes | None]], value: bytes, reason: str
) -> None:
    assert rejection(value, headers=headers) == reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "value: missing"),
        (b"", "value: not JSON"),
        (b"{", "value: not JSON"),
        (b"\xff", "value: not JSON"),
        (b'{"id":"\xff"}', "value: not JSON"),
        (b'{"id":"\\ud800"}', "value: not JSON"),
        (b'{"id":NaN}', "value: not JSON"),
        (b'{"specversion":"1.0","id":1e400}', "id: not a string"),
        (b"\xef\xbb\xbf{}", "value: not JSON"),
        (b"{} {}", "value: not JSON"),
        (b"[]", "value: not a JSON object"),
        (b'"text"', "value: not a JSON object"),
        (b"{}", "specversion: missing"),
    ],
)
def test_bytes_that_are_not_an_envelope_are_rejected(value: bytes | None, reason: str) -> None:
    assert rejection(value).startswith(reason)


def test_a_value_is_accepted_up_to_its_limit_in_bytes() -> None:
    value = encoded(envelope("job.rated"))
    padded = value + b" " * (LIMITS.value_bytes - len(value))
    assert decode_record(padded, None, LIMITS).type == "job.rated"
    assert rejection(padded + b" ") == f"value: {LIMITS.value_bytes + 1} bytes, at most {LIMITS.value_bytes}"


def test_nesting_is_accepted_up_to_its_limit_and_brackets_in_strings_do_not_count() -> None:
    limits = Limits(nesting_levels=5)

    def nested(levels: int) -> bytes:
        deep = json.loads("[" * levels + "]" * levels)
        return encoded(envelope("job.rated", data={"stars": 5, "text": '[[[[[["{{{{', "deep": deep}))

    assert decode_record(nested(3), None, limits).type == "job.rated"
    assert rejection(nested(4), limits) == "value: nested more than 5 levels deep"


@pytest.mark.parametrize("text", [b"[" * 200_000, b'{"a":' * 50_000, b'{"id":"' + b"[" * 100_000])
def test_deep_nesting_does_not_exhaust_the_stack(text: bytes) -> None:
    assert rejection(text).startswith("value: n")


@pytest.mark.parametrize("event_type", ["job.rated", "location.reported"])
def test_an_event_may_lie_at_most_an_hour_in_the_future(event_type: str) -> None:
    value = encoded(envelope(event_type))
    now_us = TEN_O_CLOCK_US - HOUR_US
    assert decode_record(value, None, LIMITS, now_us).time == TEN_O_CLOCK_US
    assert rejection(value, now_us=now_us - 1) == "time: too far in the future"
    assert decode_record(value, None, LIMITS).time == TEN_O_CLOCK_US


def test_the_last_of_several_members_with_the_same_name_counts() -> None:
    assert decode_record(encoded(envelope("job.rated"))[:-1] + b',"id":"e-2"}', None, LIMITS).id == "e-2"


def test_limits_are_settings() -> None:
    assert rejection(encoded(envelope("job.rated")), Limits(name_chars=2)) == "id: 3 characters, at most 2"
    assert rejection(encoded(envelope("job.rated")), Limits(url_chars=3)).startswith("source: 13 characters")


PLAIN = {"lat": 1, "lon": 73.5, "accuracy_m": 100}


@pytest.mark.parametrize("accuracy", ["18446744073709551616", "18446744073709551616.0", "1.8446744073709551616e19"])
def test_a_large_number_is_decoded_in_every_notation(accuracy: str) -> None:
    value = encoded(envelope("location.reported", data={**PLAIN, "accuracy_m": "N"})).replace(b'"N"', accuracy.encode())
    data = decode_record(value, None, LIMITS).data
    assert data == LocationReported(1.0, 73.5, 2.0**64)
    assert type(data.accuracy_m) is float


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_an_event_survives_a_checkpoint(event_type: str) -> None:
    event = decoded(envelope(event_type))
    assert packed_and_unpacked(event) == event


def test_integers_become_floats() -> None:
    data = decoded(envelope("location.reported", data=PLAIN)).data
    assert data == LocationReported(1.0, 73.5, 100.0)
    assert type(data.lat) is float
