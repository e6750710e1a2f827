"""Compares two exports of the published contract: their schemas, and the topics of their AsyncAPI documents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from schemas.jsonschema.compatibility import Change, schema_changes
from schemas.jsonschema.messages import message_name
from schemas.jsonschema.parts import JsonObject

ASYNCAPI: Final = "asyncapi"
"""The name of the AsyncAPI document."""

_VERSIONED: Final = re.compile(r"(?P<name>.+?)(?:-\d+\.\d+)?\.json")


def document_name(file: str) -> str | None:
    """Return the name of a document by its file in an export, without the version; None if it can be none."""
    match = _VERSIONED.fullmatch(file)
    return match["name"] if match else None


def export_changes(old: Mapping[str, JsonObject], new: Mapping[str, JsonObject]) -> Iterator[tuple[str, Change]]:
    """Yield the changes from one export to another, each with the name of its document; both are given by name.

    Where both have the schema of a whole message, that of its data alone is part of it and not compared again. Raises
    ValueError ("name: reason") for a document that is no schema.
    """
    for name in sorted(old.keys() | new.keys()):
        if message_name(name) in old and message_name(name) in new:
            continue
        if name not in old:
            yield name, Change("$", "a new document", breaks=False)
        elif name not in new:
            yield name, Change("$", "the document is gone", breaks=True)
        elif name == ASYNCAPI:
            for change in _topic_changes(old[name], new[name]):
                yield name, change
        else:
            try:
                changes = schema_changes(old[name], new[name])
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
            for change in changes:
                yield name, change


def _topic_changes(old: JsonObject, new: JsonObject) -> Iterator[Change]:
    """Yield what changed in topics: their names, messages and clean-up. The messages themselves are schemas."""
    before, after = _channels(old), _channels(new)
    for topic in sorted(before.keys() | after.keys()):
        path = f"$.channels['{topic}']"
        if topic not in before:
            yield Change(path, "a new topic", breaks=False)
        elif topic not in after:
            yield Change(path, "the topic is gone", breaks=True)
        else:
            yield from _channel_changes(path, before[topic], after[topic])


def _channel_changes(path: str, old: JsonObject, new: JsonObject) -> Iterator[Change]:
    if old.get("address") != new.get("address"):
        yield Change(f"{path}.address", f"was {old.get('address')}, is {new.get('address')}", breaks=True)
    before, after = _names(old), _names(new)
    for name in sorted(before - after):
        yield Change(f"{path}.messages", f"{name} is gone", breaks=True)
    for name in sorted(after - before):
        yield Change(f"{path}.messages", f"{name} is new; others go on as before", breaks=False)
    if _cleanup(old) != _cleanup(new):
        yield Change(f"{path}.bindings", "the topic is cleaned up in another way", breaks=True)


def _channels(document: JsonObject) -> dict[str, JsonObject]:
    channels = document.get("channels")
    if not isinstance(channels, dict):
        raise ValueError(f"{ASYNCAPI}: is no AsyncAPI document")  # noqa: TRY004 - a wrong file, not a wrong argument
    return {topic: channel for topic, channel in channels.items() if isinstance(channel, dict)}


def _names(channel: JsonObject) -> set[str]:
    messages = channel.get("messages")
    return {*messages} if isinstance(messages, dict) else set()


def _cleanup(channel: JsonObject) -> object:
    match channel:
        case {"bindings": {"kafka": {"topicConfiguration": {"cleanup.policy": policy}}}}:
            return policy
    return None
