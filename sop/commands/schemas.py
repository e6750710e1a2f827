"""`sop schemas`: writes the message contract to files, and compares two releases of it."""

import json
from pathlib import Path

import click
import orjson

from agents.sops.catalogue import OUTPUTS, POLICIES
from schemas.codec.schema_ids import SchemaIds
from schemas.errors import UsageError
from schemas.files import read_small_file
from schemas.jsonschema.export import export
from schemas.jsonschema.parts import JsonObject
from schemas.jsonschema.releases import document_name, export_changes
from sop.groups import SuggestingGroup
from sop.options import FILE
from streams.config.settings import WEB_ADDRESS, web_address
from streams.kit.export import KIT, export_kit
from streams.terminal.printable import printable


@click.group(cls=SuggestingGroup)
def command() -> None:
    """Export the contract of all messages, for programs and people, and compare two releases of it."""


@command.command(name="export")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--base-url", metavar="URL", default="", help="Where DIR is served; the ids of schemas are under it.")
def export_schemas(directory: Path, base_url: str) -> None:
    """Write the JSON Schemas of every message and of a policy, one AsyncAPI 3 document, a test kit for consumers."""
    try:
        ids = SchemaIds(web_address(base_url))
    except ValueError:
        raise UsageError(f"--base-url: {base_url!r} is not {WEB_ADDRESS}") from None
    try:
        written = [*export(directory, OUTPUTS, POLICIES, ids), *export_kit(directory / KIT)]
    except OSError as error:
        raise UsageError(f"{directory}: cannot be written: {error.strerror}") from error
    print(printable(f"{len(written)} files in {directory}"))


@command.command()
@click.argument("old", metavar="OLD", type=FILE)
@click.argument("new", metavar="NEW", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per change instead of text.")
def diff(old: str, new: str, as_json: bool) -> int:
    """Show what changed from one export to another, and what breaks the programs made for the old one.

    OLD and NEW are folders of exports, or one schema of each. The status is 1 if anything breaks. A schema of outputs
    must not accept more than before, as consumers read them; one of inputs must not refuse more.
    """
    before, after = _documents(Path(old)), _documents(Path(new))
    if not Path(old).is_dir() and not Path(new).is_dir():  # one document each, whatever their names
        after = dict(zip(before, after.values(), strict=True))
    try:
        changes = list(export_changes(before, after))
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) else "nests too deeply"
        raise UsageError(f"{old}, {new}: {reason}") from None
    for name, change in changes:
        if as_json:
            print(json.dumps({"document": name, "path": change.path, "breaks": change.breaks, "reason": change.reason}))
        else:
            mark = "breaking" if change.breaks else "ok"
            print(printable(f"{mark}: {name}: {change.path}: {change.reason}"))
    breaking = sum(change.breaks for _, change in changes)
    if not as_json:
        print(f"{len(changes)} changes, {breaking} of them breaking")
    return 1 if breaking else 0


def _documents(path: Path) -> dict[str, JsonObject]:
    """Return the documents of an export by name, or the one in a file."""
    kit = path / KIT
    files = [file for file in sorted(path.rglob("*.json")) if kit not in file.parents] if path.is_dir() else [path]
    if not files:
        raise UsageError(f"{path}: holds no schema")
    documents = {}
    for file in files:
        name = document_name(file.relative_to(path).as_posix() if path.is_dir() else file.name)
        documents[name or file.name] = _document(file)
    return documents


def _document(file: Path) -> JsonObject:
    try:
        document = orjson.loads(read_small_file(file))
    except ValueError as error:
        raise UsageError(f"{file}: {error}") from None
    if not isinstance(document, dict):
        raise UsageError(f"{file}: is no JSON object")
    return document
