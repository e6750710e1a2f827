"""What a field of an inbound event may hold: read from the structs of `schemas.events`, checked by the codec."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from msgspec import Meta, Struct, structs


class Text(Struct, frozen=True):
    """A string: which of the `Limits` bounds its length, and what a blank one means."""

    limit: Literal["name_chars", "url_chars", "value_bytes"] = "name_chars"
    blank: Literal["invalid", "kept", "absent"] = "invalid"


class Pattern(Struct, frozen=True):
    """A string that an expression matches as a whole; an error calls it `meaning`."""

    expression: str
    meaning: str


class FullDate(Struct, frozen=True):
    """An RFC 3339 full-date."""


class Choice(Struct, frozen=True):
    """One of a list of strings."""

    values: tuple[str, ...]


class Boolean(Struct, frozen=True):
    """True or false."""


class Number(Struct, frozen=True):
    """A finite number within inclusive bounds (`None`: unbounded)."""

    low: float
    high: float | None = None


class Integer(Struct, frozen=True):
    """A number written as an integer, within inclusive bounds."""

    low: int
    high: int


class Object(Struct, frozen=True):
    """An object with fields of its own, decoded into a struct."""

    fields: tuple[Field, ...]
    struct: type[Struct]


Kind: TypeAlias = Text | Pattern | FullDate | Choice | Boolean | Number | Integer | Object


class Field(Struct, frozen=True):
    """One field of an object."""

    name: str
    kind: Kind
    required: bool
    description: str
    """What it means, with its unit and the clauses that rest on it; published in the JSON Schemas."""


def fields_of(struct: type[Struct]) -> tuple[Field, ...]:
    """Return the fields of a struct in the order of the contract.

    This is the order of its attribute `contract_order`, where it has one, and otherwise that of its fields. The kind of
    a field stands in its annotation or follows from its type, its description stands in a `Meta`; a field with a
    default is optional.
    """
    hints = get_type_hints(struct, include_extras=True)
    required = {field.name for field in structs.fields(struct) if field.required}
    names: tuple[str, ...] = getattr(struct, "contract_order", struct.__struct_fields__)
    return tuple(Field(name, _kind(hints[name]), name in required, _description(hints[name])) for name in names)


def _kind(hint: object) -> Kind:
    arguments = get_args(hint)
    match get_origin(hint):
        case origin if origin is Annotated:
            return next((each for each in arguments if isinstance(each, Kind)), None) or _kind(arguments[0])
        case origin if origin in (Union, UnionType):
            return _kind(arguments[0])
        case origin if origin is Literal:
            return Choice(arguments)
    if hint is str:
        return Text()
    if hint is bool:
        return Boolean()
    assert isinstance(hint, type)
    assert issubclass(hint, Struct)
    return Object(fields_of(hint), hint)


def _description(hint: object) -> str:
    """Return the description in the outermost `Meta` of an annotation."""
    described = [each.description for each in get_args(hint) if isinstance(each, Meta) and each.description]
    return described[-1] if described else ""
