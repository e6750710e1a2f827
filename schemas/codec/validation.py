"""Checks inbound data against the fields of `schemas.events` (contracts.md, "Envelope").

A check takes a JSON value and returns the value to keep, or raises `InvalidMessage` with the path and the reason. The
checks are built once per `Limits`; an event then costs one call per field.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, TypeAlias, cast

from schemas.codec.limits import Limits
from schemas.errors import InvalidMessage
from schemas.events import EVENT_TYPES, FIELDS, EventData
from schemas.fields import Boolean, Choice, Field, FullDate, Integer, Number, Object, Pattern, Text
from schemas.timestamps import parse_full_date

Check: TypeAlias = Callable[[object], object]
TextCheck: TypeAlias = Callable[[object], str]
DataCheck: TypeAlias = Callable[[object], EventData]

_URI_REFERENCE: Final = re.compile(
    r"(?:[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*(?:#(?:[A-Za-z0-9\-._~:/?@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)?"
)


@lru_cache(maxsize=8)
def data_checks(limits: Limits) -> Mapping[str, DataCheck]:
    """Return the check of `data` for every event type; it returns the event type's struct."""
    return {
        name: cast(DataCheck, _object_check("data", Object(fields, EVENT_TYPES[name]), limits))
        for name, fields in FIELDS.items()
    }


def text_check(path: str, max_chars: int) -> TextCheck:
    """Return the check of a required string, which is not blank and has at most `max_chars` characters."""

    def check(value: object) -> str:
        if not isinstance(value, str):
            raise InvalidMessage(f"{path}: missing" if value is None else f"{path}: not a string")
        if len(value) > max_chars:
            raise InvalidMessage(f"{path}: {len(value)} characters, at most {max_chars}")
        if not value.strip():
            raise InvalidMessage(f"{path}: blank")
        return value

    return check


@lru_cache(maxsize=1024)
def is_uri_reference(text: str) -> bool:
    """Return whether a text is a URI reference. Cached, since few sources send all events."""
    return _URI_REFERENCE.fullmatch(text) is not None


def _object_check(path: str, kind: Object, limits: Limits) -> Check:
    """Return the check of an object: fields in order, unknown members ignored, `null` the same as absent."""
    checks = [(field.name, _field_check(path, field, limits), field.required) for field in kind.fields]
    struct = kind.struct

    def check(value: object) -> object:
        if not isinstance(value, dict):
            raise InvalidMessage(f"{path}: not an object")
        members = {}
        for name, check_field, required in checks:
            item = value.get(name)
            if item is not None:
                members[name] = check_field(item)
            elif required:
                raise InvalidMessage(f"{path}.{name}: missing")
        return struct(**members)

    return check


def _field_check(parent: str, field: Field, limits: Limits) -> Check:
    path = f"{parent}.{field.name}"
    match field.kind:
        case Text() as kind:
            return _text_check(path, kind, limits)
        case Pattern() as kind:
            return _pattern_check(path, kind)
        case FullDate():
            return _full_date_check(path)
        case Choice() as kind:
            return _choice_check(path, kind)
        case Boolean():
            return _boolean_check(path)
        case Number() as kind:
            return _number_check(path, kind)
        case Integer() as kind:
            return _integer_check(path, kind)
        case Object() as kind:
            return _object_check(path, kind, limits)


def _text_check(path: str, kind: Text, limits: Limits) -> Check:
    max_chars: int = getattr(limits, kind.limit)
    check_text = text_check(path, max_chars)
    if kind.blank == "invalid":
        return check_text

    def check(value: object) -> object:
        if isinstance(value, str) and len(value) <= max_chars and not value.strip():
            return None if kind.blank == "absent" else value
        return check_text(value)

    return check


def _pattern_check(path: str, kind: Pattern) -> Check:
    expression = re.compile(kind.expression)

    def check(value: object) -> object:
        if not isinstance(value, str):
            raise InvalidMessage(f"{path}: not a string")
        if expression.fullmatch(value) is None:
            raise InvalidMessage(f"{path}: not {kind.meaning}")
        return value

    return check


def _full_date_check(path: str) -> Check:
    def check(value: object) -> object:
        if not isinstance(value, str):
            raise InvalidMessage(f"{path}: not a string")
        try:
            parse_full_date(value)
        except ValueError as error:
            raise InvalidMessage(f"{path}: {error}") from None
        return value

    return check


def _choice_check(path: str, kind: Choice) -> Check:
    # returns the string of the list instead of the equal one of the input, so that a million facts share it
    shared = {name: name for name in kind.values}
    reason = f"{path}: not one of {', '.join(kind.values)}"

    def check(value: object) -> object:
        known = shared.get(value) if isinstance(value, str) else None
        if known is None:
            raise InvalidMessage(reason)
        return known

    return check


def _boolean_check(path: str) -> Check:
    def check(value: object) -> object:
        if not isinstance(value, bool):
            raise InvalidMessage(f"{path}: not true or false")
        return value

    return check


def _number_check(path: str, kind: Number) -> Check:
    low, high = kind.low, math.inf if kind.high is None else kind.high
    reason = f"{path}: below {low:g}" if kind.high is None else f"{path}: not within {low:g} to {high:g}"

    def check(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidMessage(f"{path}: not a number")
        if not low <= value <= high:
            raise InvalidMessage(reason)
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if number == math.inf:
            raise InvalidMessage(f"{path}: too large")
        return number

    return check


def _integer_check(path: str, kind: Integer) -> Check:
    def check(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidMessage(f"{path}: not a whole number")
        if not kind.low <= value <= kind.high:
            raise InvalidMessage(f"{path}: not within {kind.low} to {kind.high}")
        return value

    return check
