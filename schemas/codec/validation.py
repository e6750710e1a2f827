"""Checks of the data of inbound events, made from the table of fields (contracts, "Envelope" and "Events in").

A check takes a JSON value and returns what becomes of it, or raises `InvalidMessage` with the path and the reason.
Checks are made once per set of limits; after that an event costs one call per field.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, TypeAlias, cast

from schemas.codec.fields import FIELDS, Boolean, Choice, Field, FullDate, Integer, Kind, Number, Object, Pattern, Text
from schemas.codec.limits import Limits
from schemas.errors import InvalidMessage
from schemas.events import EVENT_TYPES, EventData
from schemas.timestamps import parse_full_date

Check: TypeAlias = Callable[[object], object]
TextCheck: TypeAlias = Callable[[object], str]
DataCheck: TypeAlias = Callable[[object], EventData]

_URI_REFERENCE: Final = re.compile(
    r"(?:[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*(?:#(?:[A-Za-z0-9\-._~:/?@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)?"
)


@lru_cache(maxsize=8)
def data_checks(limits: Limits) -> Mapping[str, DataCheck]:
    """Return for every event type the check of its `data`, which returns the struct."""
    return {name: cast(DataCheck, _group(fields, EVENT_TYPES[name], "data", limits)) for name, fields in FIELDS.items()}


def required_text_check(path: str, most: int) -> TextCheck:
    """Return the check of a string that has to be there, not blank, and no longer than `most` characters."""

    def check(value: object) -> str:
        if not isinstance(value, str):
            raise InvalidMessage(f"{path}: missing" if value is None else f"{path}: not a string")
        if len(value) > most:
            raise InvalidMessage(f"{path}: {len(value)} characters, at most {most}")
        if not value.strip():
            raise InvalidMessage(f"{path}: blank")
        return value

    return check


@lru_cache(maxsize=1024)
def is_uri_reference(text: str) -> bool:
    """Tell whether a text is a URI reference as events name their sources; the sources are few."""
    return _URI_REFERENCE.fullmatch(text) is not None


def _group(fields: tuple[Field, ...], becomes: type[object], path: str, limits: Limits) -> Check:
    """Return the check of an object: its fields in order, unknown members ignored, `null` the same as absent."""
    checks = [(field.name, _check(field, path, limits), field.required) for field in fields]

    def check(value: object) -> object:
        if not isinstance(value, dict):
            raise InvalidMessage(f"{path}: not an object")
        found = {}
        for name, check_field, required in checks:
            item = value.get(name)
            if item is not None:
                found[name] = check_field(item)
            elif required:
                raise InvalidMessage(f"{path}.{name}: missing")
        return becomes(**found)

    return check


def _check(field: Field, parent: str, limits: Limits) -> Check:
    path = f"{parent}.{field.name}"
    kind: Kind = field.kind
    match kind:
        case Text():
            return _text(path, kind, limits)
        case Pattern():
            return _pattern(path, kind)
        case FullDate():
            return _full_date(path)
        case Choice():
            return _choice(path, kind)
        case Boolean():
            return _flag(path)
        case Number():
            return _number(path, kind)
        case Integer():
            return _whole(path, kind)
        case Object():
            return _group(kind.fields, kind.becomes, path, limits)


def _text(path: str, kind: Text, limits: Limits) -> Check:
    most = {"name": limits.name_chars, "url": limits.url_chars, "value": limits.value_bytes}[kind.limit]
    present = required_text_check(path, most)
    if kind.blank == "refused":
        return present

    def check(value: object) -> object:
        if isinstance(value, str) and len(value) <= most and not value.strip():
            return None if kind.blank == "absent" else value
        return present(value)

    return check


def _pattern(path: str, kind: Pattern) -> Check:
    expression = re.compile(kind.expression)

    def check(value: object) -> object:
        if not isinstance(value, str):
            raise InvalidMessage(f"{path}: not a string")
        if expression.fullmatch(value) is None:
            raise InvalidMessage(f"{path}: not {kind.meaning}")
        return value

    return check


def _full_date(path: str) -> Check:
    def check(value: object) -> object:
        if not isinstance(value, str):
            raise InvalidMessage(f"{path}: not a string")
        try:
            parse_full_date(value)
        except ValueError as error:
            raise InvalidMessage(f"{path}: {error}") from None
        return value

    return check


def _choice(path: str, kind: Choice) -> Check:
    # the strings of the table stand in for those of the input, so that a million facts share them
    shared = {name: name for name in kind.values}
    refusal = f"{path}: not one of {', '.join(kind.values)}"

    def check(value: object) -> object:
        known = shared.get(value) if isinstance(value, str) else None
        if known is None:
            raise InvalidMessage(refusal)
        return known

    return check


def _flag(path: str) -> Check:
    def check(value: object) -> object:
        if not isinstance(value, bool):
            raise InvalidMessage(f"{path}: not true or false")
        return value

    return check


def _number(path: str, kind: Number) -> Check:
    low, high = kind.low, math.inf if kind.high is None else kind.high
    bounds = f"below {low:g}" if kind.high is None else f"not within {low:g} to {high:g}"

    def check(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidMessage(f"{path}: not a number")
        if not low <= value <= high:
            raise InvalidMessage(f"{path}: {bounds}")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if number == math.inf:
            raise InvalidMessage(f"{path}: too large")
        return number

    return check


def _whole(path: str, kind: Integer) -> Check:
    def check(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidMessage(f"{path}: not a whole number")
        if not kind.low <= value <= kind.high:
            raise InvalidMessage(f"{path}: not within {kind.low} to {kind.high}")
        return value

    return check
