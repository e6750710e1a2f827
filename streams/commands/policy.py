"""`sop policy`: policy documents, checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from schemas.durations import duration_text
from schemas.instants import format_instant
from schemas.policy import Policy
from schemas.policy_document import default_policy, load_policies
from schemas.policy_rules import duration_keys, values
from streams.commands.policies import read_document

_DURATIONS = duration_keys()


@click.group()
def command() -> None:
    """Policies: the numbers and lists that decisions depend on."""


@command.command()
@click.argument("files", metavar="FILE…", nargs=-1, required=True)
def check(files: tuple[str, ...]) -> None:
    """Check policy documents, also against each other; tell what each changes of the built-in policy."""
    for file in files:
        policy = read_document(file)
        begin = "always" if policy.effective_from is None else f"from {format_instant(policy.effective_from)}"
        print(f"{file}: {policy.name}, in force {begin}")
        for line in _changes(policy):
            print(f"  {line}")
    load_policies([Path(file) for file in files])


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
