"""A command with subcommands."""

from typing import Final

import click

from schemas.suggestions import suggestion

HELP_CHARS_MAX: Final = 200


class SuggestingGroup(click.Group):
    """A group that suggests a similar subcommand for an unknown one, as click does for options."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands, each with the whole first sentence of its help."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(HELP_CHARS_MAX)) for name, each in commands if each])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the subcommand's name, the subcommand, and the arguments left for it."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchOption:
            raise
        except click.UsageError as error:
            error.message = error.message.rstrip(".") + suggestion(args[0], self.list_commands(ctx))
            raise
