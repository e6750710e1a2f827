"""How programs connect to Kafka, as the AsyncAPI document says it: the ways that a worker's settings have too."""

from __future__ import annotations

from typing import Final

from schemas.jsonschema.parts import JsonObject

_HOST: Final[JsonObject] = {
    "broker": {"description": "One of the brokers, as HOST:PORT.", "default": "127.0.0.1:9092"},
}

SECURITY_SCHEMES: Final[JsonObject] = {
    "scram512": {"type": "scramSha512", "description": "SASL with SCRAM-SHA-512."},
    "scram256": {"type": "scramSha256", "description": "SASL with SCRAM-SHA-256."},
    "plain": {"type": "plain", "description": "SASL with PLAIN."},
    "certificate": {"type": "X509", "description": "A certificate of the client's own."},
}


def _server(protocol: str, description: str, *schemes: str) -> JsonObject:
    security: JsonObject = {"security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in schemes]}
    server: JsonObject = {"host": "{broker}", "protocol": protocol, "description": description, "variables": _HOST}
    return {**server, **(security if schemes else {})}


SERVERS: Final[JsonObject] = {
    "plaintext": _server("kafka", "Without TLS: on one machine, or in a network that is private."),
    "ssl": _server("kafka-secure", "With TLS."),
    "mtls": _server("kafka-secure", "With TLS, where brokers ask for a certificate.", "certificate"),
    "sasl_ssl": _server("kafka-secure", "With TLS and a user.", "scram512", "scram256", "plain"),
}
"""The ways to connect."""
