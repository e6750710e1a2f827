"""`sop policy`: shows the built-in policy and checks policy documents."""

from __future__ import annotations

from collections.abc import Iterator

import click

from schemas.durations import duration_text
from schemas.policy.document import default_policy, dump_policy, load_policies, load_policy
from schemas.policy.keys import KEY_NOTES, KEY_UNITS, clauses_of
from schemas.policy.model import Policy
from schemas.policy.validation import duration_keys, values
from schemas.timestamps import format_instant
from streams.cli.groups import SuggestingGroup
from streams.cli.options import FILE
from streams.terminal.printable import printable
from streams.terminal.wrapping import show

_DURATIONS = duration_keys()


@click.group(cls=SuggestingGroup)
def command() -> None:
    """Show and check policies, the numbers and lists that decisions depend on."""


@command.command()
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=FILE)
def check(files: tuple[str, ...]) -> None:
    """Check policy documents one by one and against each other; show how each differs from the built-in policy."""
    for file in files:
        policy = load_policy(file)
        since = "always" if policy.effective_from is None else f"from {format_instant(policy.effective_from)}"
        print(printable(f"{file}: {policy.name}, in force {since}"))
        for line in _changes(policy):
            print(printable(f"  {line}"))
    load_policies(files)


@command.command("show")
@click.option("--toml", "as_toml", is_flag=True, help="Print a complete policy document, as a start for your own.")
def show_built_in(as_toml: bool) -> None:
    """Show the built-in policy: every key with its default, unit, clauses and meaning."""
    if as_toml:
        print(dump_policy(default_policy()), end="")
        return
    for key, value in values(default_policy()):
        show(f"{key} = {_text(key, value)} ({KEY_UNITS[key]}) [{' '.join(clauses_of(key))}]")
        show(f"    {KEY_NOTES[key].rpartition(' (')[0]}")


def _changes(policy: Policy) -> Iterator[str]:
    """Yield a line for every key whose value differs from the built-in policy."""
    built_in = dict(values(default_policy()))
    for key, value in values(policy):
        if value != built_in[key]:
            yield f"{key} = {_text(key, value)} (built in: {_text(key, built_in[key])})"


def _text(key: str, value: object) -> str:
    if key in _DURATIONS and isinstance(value, int):
        return duration_text(value)
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {other}" for name, other in value.items()) or "none"
    return str(value)
