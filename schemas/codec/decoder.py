"""Decodes inbound Kafka records into events (contracts.md, "Envelope").

If an object has several members of the same name, the last one counts, at every level of nesting.
"""

from __future__ import annotations

import math
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import Struct

from schemas.codec.event_digest import event_digest
from schemas.codec.headers import Headers
from schemas.codec.limits import Limits, RecordSizes, check_sizes
from schemas.codec.location_reports import read_location_report
from schemas.codec.validation import DataCheck, TextCheck, data_checks, is_uri_reference, text_check
from schemas.errors import InvalidMessage
from schemas.events import AnyEvent, Event
from schemas.timestamps import parse_instant


class EventAttributes(Struct, gc=False):
    """The CloudEvents attributes of a record that say which event it holds, unchecked."""

    source: str
    id: str
    type: str
    subject: str
    time: object = None


_EXACT_BELOW: Final = 2.0**53
"""From here on a double may stand for several whole numbers."""


def _number(text: str) -> int | float:
    """Parse a number with a fraction or an exponent: a large whole one exactly, any other as its nearest double.

    A number beyond the range of doubles is infinite; the check of its field rejects it with its path.
    """
    value = float(text)
    if math.isinf(value):
        return value
    if abs(value) >= _EXACT_BELOW and (exact := Decimal(text)) == exact.to_integral_value():
        return int(exact)
    return value


_json: Final = msgspec.json.Decoder(float_hook=_number)
_attributes: Final = msgspec.json.Decoder(EventAttributes)
_STRUCTURED_CONTENT_TYPE: Final = b"application/cloudevents"
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)


def decode_record(
    value: bytes | None,
    headers: Headers | None,
    limits: Limits,
    now_us: int | None = None,
    *,
    key: bytes | None = None,
    original_sizes: RecordSizes | None = None,
) -> AnyEvent:
    """Return the event that a Kafka record holds, in structured or binary content mode.

    An event may lie at most `limits.future_us` after `now_us`, the present in microseconds (None: no limit).
    `original_sizes` are the sizes of a record that was truncated when it was read.

    Raises `InvalidMessage`. The reason begins with the part of the record that is too large, or else with the first
    offending field in the order specversion, id, source, type, subject, time, datacontenttype, data.
    """
    check_sizes(value, key, headers or (), limits, original_sizes)
    attributes = _binary_attributes(headers) if headers else None
    if value is None and not (attributes and attributes["data_base64"]):
        raise InvalidMessage("value: missing")
    value = value or b""
    if attributes is None:
        report = read_location_report(value, limits, now_us)
        if report is not None:
            return report
        envelope = _parse(value, "value", limits)
        if not isinstance(envelope, dict):
            raise InvalidMessage("value: not a JSON object")
        return _event(envelope, lambda: _data(envelope, limits), limits, now_us)
    if not value and attributes["data_base64"]:
        return _event(attributes, lambda: _data(attributes, limits), limits, now_us)
    return _event(attributes, lambda: _parse(value, "data", limits), limits, now_us)


def read_attributes(value: bytes | None, headers: Headers | None) -> EventAttributes | None:
    """Return the attributes of a record in either content mode, in a twentieth of the time that `decode_record` takes.

    They are those of the event if `decode_record` accepts the record. None means that it would not.
    """
    try:
        attributes = _binary_attributes(headers) if headers else None
        if attributes is not None:
            return msgspec.convert(attributes, EventAttributes)
        try:
            return _attributes.decode(value or b"")
        except msgspec.ValidationError:  # a member may occur twice, and only the last one be a string
            return msgspec.convert(_json.decode(value or b""), EventAttributes)
    except (InvalidMessage, ValueError, RecursionError):
        return None


def _event(
    envelope: Mapping[str, object], read_data: Callable[[], object], limits: Limits, now_us: int | None
) -> AnyEvent:
    """Check the members of an envelope in the order of the contract, then its data."""
    check_id, check_source, check_type, check_subject, checks_of_data = _checks(limits)
    if (version := envelope.get("specversion")) != "1.0":
        raise InvalidMessage("specversion: missing" if version is None else "specversion: not 1.0")
    event_id = check_id(envelope.get("id"))
    source = check_source(envelope.get("source"))
    if not is_uri_reference(source):
        raise InvalidMessage("source: not a URI reference")
    event_type = check_type(envelope.get("type"))
    check_data = checks_of_data.get(event_type)
    if check_data is None:
        raise InvalidMessage(f"type: {event_type!a} is not known")
    subject = check_subject(envelope.get("subject"))
    time = _time(envelope.get("time"))
    if now_us is not None and time > now_us + limits.future_us:
        raise InvalidMessage("time: too far in the future")
    if not isinstance(envelope.get("datacontenttype"), str | None):
        raise InvalidMessage("datacontenttype: not a string")
    raw = read_data()
    if raw is None:
        raise InvalidMessage("data: missing")
    data = check_data(raw)
    try:
        digest = event_digest(event_type, subject, time, raw)
    except ValueError as error:
        raise InvalidMessage(f"data: {error}") from None
    return Event(source, event_id, event_type, subject, time, data, digest)


def _data(envelope: Mapping[str, object], limits: Limits) -> object:
    """Return the data of an envelope, from `data` or else from `data_base64`; None if it has neither."""
    data, encoded = envelope.get("data"), envelope.get("data_base64")
    if data is not None or encoded is None:
        return data
    if not isinstance(encoded, str):
        raise InvalidMessage("data_base64: not a string")
    try:
        text = b64decode(encoded, validate=True)
    except ValueError:
        raise InvalidMessage("data_base64: not base64") from None
    return _parse(text, "data_base64", limits)


@lru_cache(maxsize=8)
def _checks(limits: Limits) -> tuple[TextCheck, TextCheck, TextCheck, TextCheck, Mapping[str, DataCheck]]:
    """Return the checks of id, source, type and subject, and those of `data` by event type."""
    return (
        text_check("id", limits.name_chars),
        text_check("source", limits.url_chars),
        text_check("type", limits.name_chars),
        text_check("subject", limits.name_chars),
        data_checks(limits),
    )


def _time(text: object) -> int:
    if text is None:
        raise InvalidMessage("time: missing")
    if not isinstance(text, str):
        raise InvalidMessage("time: not a string")
    try:
        return parse_instant(text)
    except ValueError as error:
        raise InvalidMessage(f"time: {error}") from None


def _binary_attributes(headers: Headers) -> dict[str, object] | None:
    """Return the attributes of a record in binary content mode, or None if it is in structured mode.

    A record is in binary mode if it has the header `ce_specversion`, unless its content type is structured.
    """
    named = _named(headers)
    if not _has_attributes(named):
        return None
    attributes: dict[str, object] = {}
    for name in ("specversion", "id", "source", "type", "subject", "time", "data_base64"):
        value = named.get(f"ce_{name}")
        try:
            attributes[name] = None if value is None else value.decode()
        except UnicodeDecodeError:
            raise InvalidMessage(f"{name}: not UTF-8") from None
    return attributes


def is_binary(headers: Headers) -> bool:
    """Return whether a record with these headers is in binary content mode."""
    return bool(headers) and _has_attributes(_named(headers))


def _named(headers: Headers) -> Mapping[str, bytes]:
    return {name.lower(): value for name, value in headers if value is not None}


def _has_attributes(named: Mapping[str, bytes]) -> bool:
    content_type = named.get("content-type", b"").strip().lower()
    return not content_type.startswith(_STRUCTURED_CONTENT_TYPE) and "ce_specversion" in named


def _parse(text: bytes, path: str, limits: Limits) -> object:
    if text.count(b"{") + text.count(b"[") > limits.nesting_levels and _nesting(text) > limits.nesting_levels:
        raise InvalidMessage(f"{path}: nested more than {limits.nesting_levels} levels deep")
    try:
        parsed: object = _json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidMessage(f"{path}: not JSON ({error})") from None
    return parsed


def _nesting(text: bytes) -> int:
    """Return how deeply objects and arrays nest; brackets in strings do not count."""
    level = deepest = 0
    for bracket in re.findall(rb"[\[{\]}]", _STRING.sub(b"", text)):
        level += 1 if bracket in b"[{" else -1
        deepest = max(deepest, level)
    return deepest
