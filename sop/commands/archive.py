"""`sop archive`: keeps what topics hold in files, for as long as auditors ask for it."""

import sys

import click

from agents.sops import catalogue
from schemas.suggestions import suggestion
from sop.groups import SuggestingGroup
from sop.options import FILE
from streams.config.settings import Settings, settings_from
from streams.process.extras import extra
from streams.process.logs import log_to_stderr
from streams.process.signals import StopSignals
from streams.terminal.printable import printable

with extra("audit", "an archive"):
    from streams.archive.check import check_archive
    from streams.archive.folder import ArchiveFolder, archive_at
    from surfaces.archive.process import archive

WRITE = "write"
"""The subcommand that an address stands for."""


class ArchiveGroup(SuggestingGroup):
    """Subcommands; an address in their place stands for `write`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `write` before an address, or before its options."""
        known = self.list_commands(ctx)
        if args and args[0] not in known and args[0] not in ctx.help_option_names and not suggestion(args[0], known):
            args = [WRITE, *args]
        return super().parse_args(ctx, args)


@click.group(cls=ArchiveGroup)
def command() -> None:
    """Archive what the topics at SOP_BROKERS hold (sop archive ARCHIVE), check an archive, query one with SQL.

    ARCHIVE is a folder, or a URL of an object store such as s3://bucket/folder (default: SOP_ARCHIVE).
    """


@command.command(name=WRITE)
@click.argument("address", metavar="[ARCHIVE]", required=False, type=FILE)
@click.option("--once", is_flag=True, help="Stop when everything that is there now has been written.")
@click.pass_obj
def write(stop_signals: StopSignals, address: str | None, *, once: bool) -> None:
    """Write inputs, policies, outputs and presence answers to an archive, until stopped (SIGTERM, Ctrl-C).

    Files are closed by size and age (SOP_ARCHIVE_FILE_BYTES_MAX, SOP_ARCHIVE_FILE_AGE_S), and all when it stops. Each
    record is in the archive once, however the process ends. With SOP_AUDIT_KEY_FILE, files are entered into a signed
    log (sop audit).
    """
    settings = settings_from()
    folder = ArchiveFolder(_address(address, settings))
    log_to_stderr(settings.log_level, settings.log_format)
    archive(settings, folder, catalogue.topics(settings.topic_prefix), stop_signals, once=once)


@command.command(name="check")
@click.argument("address", metavar="[ARCHIVE]", required=False, type=FILE)
def check(address: str | None) -> int:
    """Find out from the files alone whether any record is missing, twice, damaged or out of its place.

    Exits with 1 if so.
    """
    checked = check_archive(archive_at(_address(address, settings_from())))
    for problem in checked.problems:
        print(printable(f"sop: {problem}"), file=sys.stderr)
    print(f"{checked.files} files, {checked.records} records of {checked.partitions} partitions")
    return 1 if checked.problems else 0


@command.command(name="query")
@click.argument("arguments", metavar="[ARCHIVE] SQL", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, an object a line, instead of CSV.")
def query(arguments: tuple[str, ...], *, as_json: bool) -> None:
    """Run SQL over an archive, and print what it finds as CSV.

    The view records has every record, and each topic a view of its name ("decisions.paf"). The columns are topic,
    partition, offset, timestamp, key, value, headers, and to look things up subject, type, event_time, source, id,
    case_id and text, the value as text.
    """
    with extra("audit", "an archive"):
        from streams.archive.query import csv_lines, json_lines, query_archive  # noqa: PLC0415 - slow to import
    if len(arguments) > 2:
        raise click.UsageError("give an archive, if SOP_ARCHIVE does not name it, and one query")
    address = _address(arguments[0] if len(arguments) == 2 else None, settings_from())
    result = query_archive(archive_at(address), arguments[-1])
    for line in (json_lines if as_json else csv_lines)(result):
        print(printable(line))


def _address(address: str | None, settings: Settings) -> str:
    found = address or settings.archive
    if not found:
        raise click.UsageError("name an archive, or set SOP_ARCHIVE")
    return found
