"""`sop schemas`: writes the message contract to files, and compares two of its versions."""

from pathlib import Path

import click

from agents.sops.catalogue import OUTPUTS, POLICIES
from schemas.codec.schema_ids import SchemaIds
from schemas.errors import UsageError
from schemas.jsonschema.export import export
from streams.cli.groups import SuggestingGroup
from streams.terminal.printable import printable


@click.group(cls=SuggestingGroup)
def command() -> None:
    """Export the contract of all messages, for programs and people."""


@command.command(name="export")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--base-url", metavar="URL", default="", help="Where the files are served; their ids become addresses.")
def export_schemas(directory: Path, base_url: str) -> None:
    """Write the JSON Schema of every message and of a policy, and one AsyncAPI 3 document of all topics."""
    try:
        written = export(directory, OUTPUTS, POLICIES, SchemaIds(base_url))
    except OSError as error:
        raise UsageError(f"{directory}: cannot be written: {error.strerror}") from error
    print(printable(f"{len(written)} files in {directory}"))
