"""A command with subcommands."""

from __future__ import annotations

import click

from schemas.suggestions import suggestion


class SuggestingGroup(click.Group):
    """Says for a subcommand that does not exist which one may have been meant, as click does for options."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the subcommand that the arguments name and the arguments left for it."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchOption:
            raise
        except click.UsageError as error:
            error.message = error.message.rstrip(".") + suggestion(args[0], self.list_commands(ctx))
            raise
