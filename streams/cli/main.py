"""The command `sop`: what a user can ask for. Each command is a module of its own, imported when it is called."""

from __future__ import annotations

import importlib
import io
import sys
from typing import Final

import click

from schemas.errors import Fatal, SopError, UsageError
from streams.cli.groups import SuggestingGroup
from streams.process.logs import silence_logging
from streams.process.signals import INTERRUPTIONS, STOP_SIGNALS, StopSignals, end
from streams.terminal.printable import printable, without_passwords
from streams.terminal.standard_error import prepare_standard_error

EXIT_USAGE: Final = 2
EXIT_FATAL: Final = 70
EXIT_INTERRUPTED: Final = 130

COMMANDS: Final = {
    "up": "all of it on this machine: Kafka, a worker, sample events, decisions as they come",
    "worker": "consume, decide, emit: a Faust worker",
    "replay": "decide recorded events again, in event-time order",
    "simulate": "make a realistic stream of events of a city",
    "status": "how far the workers are, and whether every record is accounted for",
    "rebuild": "make the workers' state again from Kafka, for topics that have more partitions",
    "case": "a case's facts, timeline and decisions, explained clause by clause",
    "dead-letters": "look at what was refused, and send it again",
    "policy": "show the built-in policy, check policy documents",
    "schemas": "export JSON Schemas and an AsyncAPI document",
    "glossary": "what the words, letters and clauses of the SOPs stand for",
}
"""Every command, in the order of the help, with its one line."""

SERVICES: Final = {"worker": STOP_SIGNALS, "up": INTERRUPTIONS}
"""Commands that run until a signal stops them, with the signals that do."""


class Commands(SuggestingGroup):
    """Finds the commands in `streams.cli.commands`; the help is told without importing any of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name."""
        if cmd_name not in COMMANDS:
            return None
        if cmd_name in SERVICES:  # importing one takes a second or two, in which a signal ends it as later
            ctx.obj = ctx.with_resource(StopSignals(SERVICES[cmd_name], end))
        command: click.Command = importlib.import_module(f"streams.cli.commands.{cmd_name.replace('-', '_')}").command
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
    prepare_standard_error()
    if isinstance(sys.stdout, io.TextIOWrapper):  # whatever its encoding cannot hold is escaped
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status; every error is one line on standard error."""
    silence_logging()
    try:
        status = sop.main(arguments, prog_name="sop", standalone_mode=False)
        print(end="", flush=True)
    except click.exceptions.Exit as asked:
        return asked.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return EXIT_USAGE
    except click.ClickException as error:
        return _complain(error.format_message() + _help_for(error), EXIT_USAGE)
    except UsageError as error:
        return _complain(str(error), EXIT_USAGE)
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except (Fatal, SopError) as error:
        return _complain(str(error), EXIT_FATAL)
    except OSError as error:
        return _output_ended(error)
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # click's and Rich's end where nobody reads on
            return _output_ended(ended.__context__)
        raise
    return status if isinstance(status, int) else 0


def _help_for(error: click.ClickException) -> str:
    """Return where the usage is told that a command line does not follow."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f" (see {context.command_path} --help)" if context else ""


def _output_ended(error: OSError) -> int:
    """Return the status for an output that takes no more: 0 where its reader has seen enough."""
    sys.stdout = None  # nothing may be written to it any more, not even at exit
    if isinstance(error, BrokenPipeError):
        return 0
    return _complain(f"{error.filename or 'standard output'}: {error.strerror}", EXIT_USAGE)


def _complain(message: str, status: int) -> int:
    print(f"sop: {printable(without_passwords(' '.join(message.split())))}", file=sys.stderr)
    return status


if __name__ == "__main__":
    main()
