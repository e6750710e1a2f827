"""The messages that are no CloudEvents: policy documents, and signed checkpoints of the log of an archive."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from schemas.codec.canonical_json import JsonValue
from schemas.codec.encoder import TEXT_TYPE
from schemas.codec.schema_ids import schema_file
from schemas.jsonschema.parts import JsonObject
from schemas.policy.document import SIGNATURE_HEADER


class PlainMessage(Struct, frozen=True, kw_only=True):
    """What the AsyncAPI document says of such a message; `payload` is the schema of what the value is in its format."""

    name: str
    summary: str
    content_type: str
    headers: JsonObject
    required: tuple[str, ...] = ()
    """Headers that it always has."""
    payload: JsonObject
    example_headers: JsonObject
    example: JsonValue


POLICY: Final = PlainMessage(
    name="policy",
    summary="A policy document in TOML; the schema is that of the document. A record without a value withdraws "
    "the policy.",
    content_type="application/toml",
    headers={
        SIGNATURE_HEADER: {
            "type": "string",
            "pattern": "^\N{EM DASH} ",
            "description": "The line with which a key has signed the document, as in a signed note (C2SP); a header "
            "for each signature.",
        }
    },
    payload={"$ref": f"./{schema_file('policy')}"},
    example_headers={},
    example={
        "label": "2026-12",
        "effective_from": "2026-12-01T00:00:00Z",
        "presence": {"radius_m": 400.0, "after": "10 min"},
    },
)
CHECKPOINT: Final = PlainMessage(
    name="checkpoint",
    summary="How many entries a log had, and the root over them, signed.",
    content_type=TEXT_TYPE,
    headers={"content-type": {"type": "string", "const": TEXT_TYPE}},
    required=("content-type",),
    payload={
        "title": "Checkpoint",
        "description": "A signed note (C2SP tlog-checkpoint): the name of the log, the number of its entries, the "
        "root in Base64, an empty line, and signatures (Ed25519).",
        "type": "string",
        "pattern": "^[^\\s+]+\n(0|[1-9][0-9]*)\n[A-Za-z0-9+/]{43}=\n\n(\N{EM DASH} [^\\s+]+ [A-Za-z0-9+/]+=*\n)+$",
    },
    example_headers={"content-type": TEXT_TYPE},
    example="example.com/sop-archive\n1204\nSBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n\n"
    "\N{EM DASH} example.com/sop-archive "
    "+nJkjuK/6E3mKN8eR3Z+1/YChHfgE5GpzCxJuVOYXtFuYigHCMKi6qhjJoW1uDeqi39eV0qEWu8jkFXOqz1AQvFydgs=\n",
)
