"""`sop policy`: shows the built-in policy and checks policy documents."""

import click

from agents.sops.catalogue import POLICIES
from schemas.policy.document import value_text
from schemas.timestamps import format_instant
from sop.groups import SuggestingGroup
from sop.options import FILE
from streams.terminal.printable import printable
from streams.terminal.wrapping import show


@click.group(cls=SuggestingGroup)
def command() -> None:
    """Show and check policies, the numbers and lists that decisions depend on."""


@command.command()
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=FILE)
def check(files: tuple[str, ...]) -> None:
    """Check policy documents one by one and against each other; show how each differs from the built-in policy."""
    for file in files:
        policy = POLICIES.load(file)
        since = "always" if policy.effective_from is None else f"from {format_instant(policy.effective_from)}"
        print(printable(f"{file}: {policy.name}, in force {since}"))
        for name, key, value, built_in in POLICIES.changes(policy):
            print(printable(f"  {name} = {value_text(key, value)} (built in: {value_text(key, built_in)})"))
    POLICIES.load_all(files)


@command.command("show")
@click.option("--toml", "as_toml", is_flag=True, help="Print a complete policy document, as a start for your own.")
def show_built_in(as_toml: bool) -> None:
    """Show the built-in policy: every key with its default, unit, clauses and meaning."""
    if as_toml:
        print(POLICIES.dump(POLICIES.default), end="")
        return
    for name, key, value in POLICIES.values(POLICIES.default):
        show(f"{name} = {value_text(key, value)} ({key.unit}) [{' '.join(key.clauses)}]")
        show(f"    {key.note}")
