"""The version of the published JSON Schemas, and how messages and files name them (contracts.md, "Schemas")."""

from __future__ import annotations

from typing import Final

SCHEMA_VERSION: Final = "1.2"
"""Major and minor: an addition raises the minor version, a change that existing programs could not read the major one.
`sop schemas diff` says which it is."""


def schema_file(name: str) -> str:
    """Return the file of a published schema in an export; the name may begin with a folder."""
    return f"{name}-{SCHEMA_VERSION}.json"


class SchemaIds(dict[str, str]):
    """The `$id` of every published schema by its name; that of a message type is the `dataschema` of its messages.

    An id is an address under `base_url`, where an export is served, or else a URN. Each is made once, since every
    message has one.
    """

    def __init__(self, base_url: str = "") -> None:
        super().__init__()
        self._base_url = base_url.rstrip("/")

    def __missing__(self, name: str) -> str:
        """Make the id of a schema."""
        urn = f"urn:sop-streams:schema:{name}:{SCHEMA_VERSION}"
        self[name] = f"{self._base_url}/{schema_file(name)}" if self._base_url else urn
        return self[name]


URN_IDS: Final = SchemaIds()
"""The ids of schemas that are served nowhere."""
