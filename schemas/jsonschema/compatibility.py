"""Judges the changes from one published schema to the next: whether a program made for the old one still works.

Consumers read what is sent, so a new schema that accepts more than the old one breaks them. Producers write it, so a
new schema that refuses what the old one accepted breaks them. Only the keywords that the published schemas use are
judged; a change of any other is taken to break.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from msgspec import Struct

from schemas.codec.canonical_json import JsonValue
from schemas.jsonschema.parts import DIRECTION, KNOWN_VALUES, JsonObject

NARROWER: Final = frozenset({"in"})
"""What breaks if the new schema refuses something: producers."""
WIDER: Final = frozenset({"out"})
"""What breaks if it accepts something more: consumers."""
OTHER: Final = NARROWER | WIDER
"""It does both, or means something else."""
HARMLESS: Final[frozenset[str]] = frozenset()

Finding: TypeAlias = tuple[str, str, frozenset[str]]
"""(JSON path in a message, what changed, the directions that it breaks)."""
Judge: TypeAlias = Callable[[JsonValue, JsonValue], Iterator[tuple[str, frozenset[str]]]]

_BROKEN: Final = {"in": "producers keep to the old form", "out": "consumers rely on the old form"}
_ANNOTATIONS: Final = frozenset(
    {"$schema", "$id", "$defs", "$comment", "title", "description", "examples", "default", KNOWN_VALUES}
)


class Change(Struct, frozen=True):
    """One change between two schemas."""

    path: str
    """Where it is, as a JSON path in a message or document."""
    reason: str
    breaks: bool


def schema_changes(old: JsonObject, new: JsonObject) -> list[Change]:
    """Return the changes from one schema to another in the order of the old one; descriptions and the like are none.

    Raises ValueError if one of them is no schema, or the old one does not say who writes what it describes.
    """
    direction = str(old.get(DIRECTION))
    if direction not in _BROKEN:
        raise ValueError(f"has no {DIRECTION}, so it is no published schema")
    findings = list(_Comparison(old, new).schema("$", old, new))
    if new.get(DIRECTION) != direction:
        findings.append(("$", f"{DIRECTION} was {direction!r}", OTHER))
    return [
        Change(path, f"{what}; {_BROKEN[direction]}" if direction in breaks else what, direction in breaks)
        for path, what, breaks in findings
    ]


class _Comparison:
    """Compares the schemas of two documents, which their references are resolved in."""

    def __init__(self, old: JsonObject, new: JsonObject) -> None:
        self._old, self._new = old, new

    def schema(self, path: str, old: JsonValue, new: JsonValue) -> Iterator[Finding]:
        """Yield what changed between two schemas for the same place."""
        if not isinstance(old, dict) or not isinstance(new, dict):
            if old != new:
                yield path, f"the schema was {old!r} and is {new!r}", OTHER
            return
        before, after = _resolved(old, self._old), _resolved(new, self._new)
        yield from self._members(path, before, after)
        yield from _values(path, before, after)
        for keyword in dict.fromkeys([*before, *after]):
            if keyword not in _ANNOTATIONS and keyword not in _ELSEWHERE:
                yield from self._keyword(path, keyword, before.get(keyword), after.get(keyword))

    def _keyword(self, path: str, keyword: str, old: JsonValue, new: JsonValue) -> Iterator[Finding]:
        """Yield what changed in a keyword; a schema within may change although the reference to it does not."""
        if keyword == "items":
            yield from self.schema(f"{path}[*]", {} if old is None else old, {} if new is None else new)
        elif keyword == "anyOf" and isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            for one, other in zip(old, new, strict=True):
                yield from self.schema(path, one, other)
        elif keyword == "additionalProperties" and isinstance(old, dict) and isinstance(new, dict):
            yield from self.schema(f"{path}.*", old, new)
        elif old != new:
            for reason, breaks in _JUDGES.get(keyword, _unknown(keyword))(old, new):
                yield path, reason, breaks

    def _members(self, path: str, old: JsonObject, new: JsonObject) -> Iterator[Finding]:
        """Yield what changed in the members of an object."""
        before, after = _object(old.get("properties", {})), _object(new.get("properties", {}))
        for name, schema in before.items():
            if name in after:
                yield from self.schema(f"{path}.{name}", schema, after[name])
            else:
                yield f"{path}.{name}", "the member is gone", OTHER
        for name in [each for each in after if each not in before]:
            is_new_to_all = old.get("additionalProperties") is not False
            yield f"{path}.{name}", "a new member", HARMLESS if is_new_to_all else WIDER
        required, requires = _strings(old.get("required")), _strings(new.get("required"))
        for name in sorted(required - requires):
            if name in after:
                yield f"{path}.{name}", "may be absent now", WIDER
        for name in sorted(requires - required):
            yield f"{path}.{name}", "is required now", NARROWER


def _object(value: JsonValue) -> JsonObject:
    """Return a part of a schema that is an object."""
    if not isinstance(value, dict):
        raise ValueError("is no JSON Schema")  # noqa: TRY004 - not a wrong type of argument, but a wrong file
    return value


def _resolved(schema: JsonObject, document: JsonObject) -> JsonObject:
    """Return a schema with the definition that it refers to in place of the reference."""
    ref = schema.get("$ref")
    if not isinstance(ref, str) or not ref.startswith("#/$defs/"):
        return schema
    definition = _object(_object(document.get("$defs", {})).get(ref.removeprefix("#/$defs/"), {}))
    return {**definition, **{keyword: value for keyword, value in schema.items() if keyword != "$ref"}}


_ELSEWHERE: Final = frozenset({"properties", "required", "type", "enum", "const", DIRECTION})
"""Keywords that are judged together, or once for a document."""


def _values(path: str, old: JsonObject, new: JsonObject) -> Iterator[Finding]:
    """Yield what changed in the types and the closed sets of values; `const` is a set of one."""
    before, after = _types(old), _types(new)
    if after and not before:
        yield path, f"has the type {', '.join(sorted(after))} now", NARROWER
    elif before and not after:
        yield path, f"has no type any more; it was {', '.join(sorted(before))}", WIDER
    elif added := sorted(after - before):
        yield path, f"may be {', '.join(added)} now", WIDER
    if after and (removed := sorted(before - after)):
        yield path, f"may not be {', '.join(removed)} any more", NARROWER
    was, now = _allowed(old), _allowed(new)
    if was is None and now is not None:
        yield path, "may only be one of a set now", NARROWER
    elif was is not None and now is None:
        yield path, "may be anything now, not only one of a set", WIDER
    elif was is not None and now is not None:
        if more := [value for value in now if value not in was]:
            yield path, f"may be {_listed(more)} now", WIDER
        if gone := [value for value in was if value not in now]:
            yield path, f"may not be {_listed(gone)} any more", NARROWER


def _types(schema: JsonObject) -> set[str]:
    """Return the types that a schema allows; a number includes whole ones."""
    given = schema.get("type")
    types = {given} if isinstance(given, str) else _strings(given)
    return types | ({"integer"} if "number" in types else set())


def _allowed(schema: JsonObject) -> list[JsonValue] | None:
    if "const" in schema:
        return [schema["const"]]
    values = schema.get("enum")
    return list(values) if isinstance(values, list) else None


def _strings(value: JsonValue) -> set[str]:
    return {each for each in value if isinstance(each, str)} if isinstance(value, list) else set()


def _listed(values: list[JsonValue]) -> str:
    return ", ".join("null" if value is None else str(value) for value in values)


def _bound(keyword: str, *, is_lower: bool) -> Judge:
    """Return the judge of a bound; without one there is none to break."""

    def judge(old: JsonValue, new: JsonValue) -> Iterator[tuple[str, frozenset[str]]]:
        if new is None:
            yield f"has no {keyword} any more; it was {old}", WIDER
        elif old is None:
            yield f"has the {keyword} {new} now", NARROWER
        elif isinstance(old, int | float) and isinstance(new, int | float):
            is_tighter = new > old if is_lower else new < old
            yield f"the {keyword} was {old} and is {new}", NARROWER if is_tighter else WIDER
        else:
            yield f"the {keyword} was {old!r} and is {new!r}", OTHER

    return judge


def _form(keyword: str) -> Judge:
    """Return the judge of what text has to look like."""

    def judge(old: JsonValue, new: JsonValue) -> Iterator[tuple[str, frozenset[str]]]:
        if new is None:
            yield f"has no {keyword} any more; it was {old}", WIDER
        elif old is None:
            yield f"has the {keyword} {new} now", NARROWER
        else:
            yield f"the {keyword} was {old} and is {new}", OTHER

    return judge


def _unique(_old: JsonValue, new: JsonValue) -> Iterator[tuple[str, frozenset[str]]]:
    yield ("has no value twice now", NARROWER) if new else ("may have a value twice now", WIDER)


def _additional(old: JsonValue, new: JsonValue) -> Iterator[tuple[str, frozenset[str]]]:
    if new is False:
        yield "unknown members are refused now", NARROWER
    elif old is False:
        yield "unknown members are accepted now", WIDER
    elif old is None:
        yield "other members have a schema now", NARROWER
    else:
        yield "other members have no schema any more", WIDER


def _names(old: JsonValue, new: JsonValue) -> Iterator[tuple[str, frozenset[str]]]:
    """Judge `propertyNames`, which lists names that are refused."""
    try:
        before, after = _refused(old), _refused(new)
    except ValueError:
        yield from _unknown("propertyNames")(old, new)
        return
    if allowed := sorted(before - after):
        yield f"may have {', '.join(allowed)} now", WIDER
    if refused := sorted(after - before):
        yield f"may not have {', '.join(refused)} any more", NARROWER


def _refused(value: JsonValue) -> set[str]:
    match value:
        case None:
            return set()
        case {"not": {"enum": [*names]}}:
            return _strings(names)
    raise ValueError


def _unknown(keyword: str) -> Judge:
    def judge(_old: JsonValue, _new: JsonValue) -> Iterator[tuple[str, frozenset[str]]]:
        yield f"unknown keyword {keyword} changed: judged breaking", OTHER

    return judge


_JUDGES: Final[Mapping[str, Judge]] = {
    **{name: _bound(name, is_lower=True) for name in ("minimum", "exclusiveMinimum", "minLength", "minItems")},
    **{name: _bound(name, is_lower=False) for name in ("maximum", "exclusiveMaximum", "maxLength", "maxItems")},
    **{name: _form(name) for name in ("pattern", "format", "contentEncoding")},
    "uniqueItems": _unique,
    "additionalProperties": _additional,
    "propertyNames": _names,
}
"""The judge of every keyword that stands alone."""
