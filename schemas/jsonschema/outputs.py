"""JSON Schemas of the data of decisions, actions, alerts and dead letters, from the structs that the codec encodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import UNSET, Struct, structs

from schemas.codec.encoder import ACT_TYPE, DEAD_LETTER_TYPE, ENVELOPE_FIELDS, SORTED_FIELDS
from schemas.jsonschema.parts import UTC_INSTANT, JsonObject, as_object, folded, known_values, nullable
from schemas.outputs import (
    Act,
    ActionBody,
    ActionMessage,
    AlertBody,
    AlertMessage,
    DeadLetter,
    DecisionBody,
    DecisionMessage,
    OutputVocabulary,
    instant_fields,
    unhashed_fields,
    vocabulary,
)

Vocabularies = Mapping[str, Sequence[str]]
"""The known values of members, by the member's name."""

_HEADER: Final[JsonObject] = {
    "type": "array",
    "items": {"type": ["string", "null"]},
    "minItems": 2,
    "maxItems": 2,
}
"""A header as a pair; without `prefixItems`, which most code generators do not know."""


def output_schemas(outputs: OutputVocabulary) -> dict[str, JsonObject]:
    """Return the schema of the data of every output type by type; they refer to `schemas.jsonschema.events`."""
    clauses: Vocabularies = {"clauses": outputs.clauses}
    schemas = {f"decision.{kind}": _decision(body, outputs) for kind, body in outputs.bodies.items()}
    action = _members((ActionMessage, ActionBody), {**clauses, "code": outputs.action_codes})
    alert = _members((AlertMessage, AlertBody), {"name": outputs.alert_names})
    schemas["action"] = {"title": "Action", "description": folded(ActionMessage.__doc__), **action}
    schemas["alert"] = {"title": "Alert", "description": folded(AlertMessage.__doc__), **alert}
    dead_letter = _members((DeadLetter,), {}, headers={"items": _HEADER})
    dead_letter["required"] = [field.name for field in structs.fields(DeadLetter) if field.required]
    schemas[DEAD_LETTER_TYPE] = {"title": "DeadLetter", "description": folded(DeadLetter.__doc__), **dead_letter}
    act = _members((Act,), {"what": vocabulary(Act, "what")})
    act["required"] = [field.name for field in structs.fields(Act) if field.required]
    schemas[ACT_TYPE] = {"title": "Act", "description": folded(Act.__doc__), **act}
    return schemas


def _decision(body: type[DecisionBody], outputs: OutputVocabulary) -> JsonObject:
    """Return the schema of a kind of decision; it refuses members that only other kinds have, not unknown ones."""
    fields = body.__struct_fields__
    others = {name for other in outputs.bodies.values() for name in other.__struct_fields__} - {*fields}
    comparable = [name for name in fields if name not in unhashed_fields(body)]
    known: Vocabularies = {
        "subject_of": outputs.subjects,
        "clauses": outputs.clauses,
        "changed": sorted(comparable),
        **{name: values for name in fields if (values := vocabulary(body, name))},
    }
    schema = _members((DecisionMessage[DecisionBody], body), known)
    properties = as_object(schema["properties"])
    properties["previous"] = {
        **_described(as_object(properties["previous"])),
        "title": f"{body.__name__}Previous",
        "type": ["object", "null"],
        "properties": {name: properties[name] for name in comparable if name != "evidence"},
    }
    elsewhere: JsonObject = {"propertyNames": {"not": {"enum": [*sorted(others)]}}} if others else {}
    return {"title": body.__name__, "description": folded(body.__doc__), **schema, **elsewhere}


def _members(message: tuple[type[Struct], ...], known: Vocabularies, **more: JsonObject) -> JsonObject:
    """Return the schema of an object that has the members of some structs, the body last, as the encoder writes them.

    `known` has the values of open vocabularies, `more` has keywords for some members.
    """
    references, components = msgspec.json.schema_components(message, ref_template="{name}")
    properties: JsonObject = {}
    instants, has_nulls = instant_fields(message[-1]), issubclass(message[-1], DecisionBody)
    for reference in references:
        for name, schema in components[reference["$ref"]]["properties"].items():
            if name not in ENVELOPE_FIELDS and name != "type":
                written = UTC_INSTANT if name in instants else _value(schema, has_nulls=has_nulls)
                properties[name] = {**_described(schema), **written, **more.get(name, {})}
    for name in properties.keys() & {*SORTED_FIELDS}:
        properties[name] = {**as_object(properties[name]), "uniqueItems": True}
    for name in properties.keys() & known.keys():
        properties[name] = known_values(as_object(properties[name]), known[name])
    optional = _optional(message, has_nulls=has_nulls)
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }


def _optional(message: Iterable[type[Struct]], *, has_nulls: bool) -> set[str]:
    """Return the names of members that may be absent; other defaults are written, and None where there are nulls."""
    fields = [field for struct in message for field in structs.fields(struct)]
    return {field.name for field in fields if field.default is UNSET or (field.default is None and not has_nulls)}


def _described(schema: JsonObject) -> JsonObject:
    """Return the description of a member; the kind of a decision is a tag, which has none."""
    return {"description": schema.get("description", "The kind of decision.")}


def _value(schema: JsonObject, *, has_nulls: bool) -> JsonObject:
    """Return the schema of a value as the encoder writes it; where there are no nulls, None is absent."""
    schema = {key: value for key, value in schema.items() if key != "description"}
    options = schema.get("anyOf")
    if isinstance(options, list):
        option = as_object(options[0])
        return nullable(option) if has_nulls or "default" not in schema else option
    match schema:
        case {"$ref": str(name)}:
            return {"$ref": f"#/$defs/{name}"}
        case {"enum": [value]}:
            return {"type": "string", "const": value}
        case {"enum": values}:
            return {"type": "string", "enum": values}
    return {key: value for key, value in schema.items() if key != "default"}
