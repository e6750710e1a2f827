"""`sop policy`: policy documents, checked."""

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
    """Policies: the numbers and lists that decisions depend on."""


@command.command()
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=FILE)
def check(files: tuple[str, ...]) -> None:
    """Check policy documents, also against each other; tell what each changes of the built-in policy."""
    for file in files:
        policy = load_policy(file)
        begin = "always" if policy.effective_from is None else f"from {format_instant(policy.effective_from)}"
        print(printable(f"{file}: {policy.name}, in force {begin}"))
        for line in _changes(policy):
            print(printable(f"  {line}"))
    load_policies(files)


@command.command("show")
@click.option("--toml", "as_toml", is_flag=True, help="A policy document with all of it, to begin your own from.")
def show_built_in(as_toml: bool) -> None:
    """Show the built-in policy: every key with its default, its unit, the clauses that it serves and what it means."""
    if as_toml:
        print(dump_policy(default_policy()), end="")
        return
    for key, value in values(default_policy()):
        show(f"{key} = {_text(key, value)} ({KEY_UNITS[key]}) [{' '.join(clauses_of(key))}]")
        show(f"    {KEY_NOTES[key].rpartition(' (')[0]}")


def _changes(policy: Policy) -> Iterator[str]:
    """Yield a line for every key with another value than the built-in policy's."""
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
