"""The command `sop`: what a user can ask for. Each command is a module of its own, imported when it is called."""

from __future__ import annotations

import importlib
import sys
from typing import Final

import click

from schemas.errors import Fatal, SopError, UsageError
from streams.logs import log_nowhere

EXIT_USAGE: Final = 2
EXIT_FATAL: Final = 70
EXIT_INTERRUPTED: Final = 130

COMMANDS: Final = {
    "up": "all of it on this machine: Kafka, a worker, sample events, decisions as they come",
    "worker": "consume, decide, emit: a Faust worker",
    "replay": "decide recorded events again, in event-time order",
    "simulate": "make a realistic stream of events of a city",
    "status": "how far the workers are, and whether every record is accounted for",
    "case": "a case's facts, timeline and decisions, explained clause by clause",
    "dead-letters": "look at what was refused, and send it again",
    "policy": "check policy documents",
    "schemas": "export JSON Schemas and an AsyncAPI document",
}
"""Every command, in the order of the help, with its one line."""


class Commands(click.Group):
    """Finds the commands in `streams.commands`; the help is told without importing any of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """Return a command by its name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"streams.commands.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sop-streams")
def sop() -> None:
    """Decide support cases of a home-services marketplace by their SOPs, in real time."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 something did not hold, 2 unusable input, 70 cannot go on."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status; every error is one line on standard error."""
    log_nowhere()
    try:
        status = sop.main(arguments, prog_name="sop", standalone_mode=False)
    except click.exceptions.Exit as asked:
        return asked.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return EXIT_USAGE
    except click.ClickException as error:
        return _complain(error.format_message(), EXIT_USAGE)
    except UsageError as error:
        return _complain(str(error), EXIT_USAGE)
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except (Fatal, SopError) as error:
        return _complain(str(error), EXIT_FATAL)
    except BrokenPipeError:
        # whoever read our output has seen enough; nothing may be written to it any more, not even at exit
        sys.stdout = None
        return 0
    return status if isinstance(status, int) else 0


def _complain(message: str, status: int) -> int:
    print(f"sop: {' '.join(message.split())}", file=sys.stderr)
    return status


if __name__ == "__main__":
    main()
