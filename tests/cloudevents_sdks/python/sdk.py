"""Reads and makes CloudEvents with the Python SDK; see ../sdks.py for what goes in and out."""

import json
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import datetime
from typing import Any

from cloudevents.core.bindings import kafka
from cloudevents.core.v1.event import CloudEvent


def read(record: dict[str, Any]) -> dict[str, Any] | None:
    """Return what the SDK read; None if it saw no event."""
    headers = {each["name"]: b64decode(each["value"]) for each in record["headers"]}
    if not any(name.startswith("ce_") for name in headers) and b"cloudevents" not in headers.get("content-type", b""):
        return None  # the SDK itself takes any JSON for a structured event
    event = kafka.from_kafka_event(kafka.KafkaMessage(headers, None, b64decode(record["value"])))
    return {"id": event.get_id(), "source": event.get_source(), "type": event.get_type()}


def write(given: dict[str, Any], bind: Callable[[CloudEvent], kafka.KafkaMessage]) -> dict[str, Any]:
    """Return the record of an event."""
    attributes = {name: value for name, value in given.items() if name != "data"}
    attributes["time"] = datetime.fromisoformat(given["time"])
    attributes["datacontenttype"] = "application/json"
    message = bind(CloudEvent(attributes, given["data"]))
    return {
        "headers": [{"name": name, "value": b64encode(value).decode()} for name, value in message.headers.items()],
        "value": b64encode(message.value).decode(),
    }


VERBS: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
    "read": read,
    "structured": lambda given: write(given, kafka.to_structured_event),
    "binary": lambda given: write(given, kafka.to_binary_event),
}

for line in sys.stdin:
    print(json.dumps(VERBS[sys.argv[1]](json.loads(line))))  # noqa: T201 - the answer
