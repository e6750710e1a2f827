"""The command `sop`. Each command is a module of `sop.commands`, imported only when it is called."""

import importlib
import io
import logging
import sys
from typing import Final

import click

from schemas.errors import Fatal, SopError, UsageError
from sop.groups import SuggestingGroup
from streams.config.settings import log_format
from streams.process.logs import error_line
from streams.process.signals import INTERRUPTIONS, STOP_SIGNALS, StopSignals, end, end_at_once
from streams.terminal.printable import printable, without_passwords
from streams.terminal.standard_error import prepare_standard_error

EXIT_USAGE: Final = 2
EXIT_FATAL: Final = 70
EXIT_INTERRUPTED: Final = 130

COMMANDS: Final = {
    "up": "run everything on this machine: Kafka, a worker, sample events; show the decisions as they come",
    "worker": "run a worker: consume events, decide, publish",
    "replay": "decide recorded events again, in event-time order",
    "simulate": "generate a realistic day of events of a city",
    "status": "show how far the workers are and whether every record is accounted for",
    "rebuild": "rebuild the workers' state from Kafka after adding partitions",
    "case": "show one case: facts, presence, decisions, explained clause by clause",
    "tail": "show messages as they come, in words or as JSON",
    "topics": "create the topics, check their set-up, print the rights to grant (create, check, acls, manifests)",
    "erase": "make state, read model and archive forget a customer or partner",
    "dead-letters": "list and show refused records, send them again (list, show, redrive)",
    "console": "serve the web console: decisions, cases, alerts, refused records",
    "alerts": "keep Alertmanager and webhooks in step with what fires (forward)",
    "archive": "archive what the topics hold, check an archive, query one with SQL (write, check, query)",
    "audit": "verify an archive, prove and replay its decisions "
    "(keygen, master-key, verify, prove, check-proof, replay, check-certificate)",
    "policy": "show, check, compare, sign and publish policies (show, list, check, diff, sign, publish)",
    "schemas": "export JSON Schemas and an AsyncAPI document, compare two exports (export, diff)",
    "glossary": "explain the words, letters and clauses of the SOPs",
}
"""The one-line help of each command, in the order of `sop --help`."""

EPILOG: Final = """
Run 'sop COMMAND --help' for the options of a command. The environment variables SOP_… hold the settings.

Exit status: 0 done, 1 a check failed, 2 unusable arguments or input, 70 cannot go on, 71 could not stop in time,
75 made no progress, 130 interrupted.
"""

SERVICES: Final = {
    "worker": (STOP_SIGNALS, end_at_once),
    "alerts": (STOP_SIGNALS, end_at_once),
    "console": (STOP_SIGNALS, end_at_once),
    "archive": (STOP_SIGNALS, end_at_once),
    "up": (INTERRUPTIONS, end),
    "tail": (INTERRUPTIONS, end),
}
"""Commands that run until stopped: the signals that stop them, and what these do until the command handles them.

What has not begun to consume has nothing to clean up.
"""


class LazyGroup(SuggestingGroup):
    """Imports the module of a command only when it is called; `sop --help` imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name, None if there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        if cmd_name in SERVICES:  # before the import, which may take a second: a signal stops it even then
            ctx.obj = ctx.with_resource(StopSignals(*SERVICES[cmd_name]))
        command: click.Command = importlib.import_module(f"sop.commands.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EPILOG)
@click.version_option(package_name="sop-streams")
def sop() -> None:
    """Decide support cases of a home-services marketplace by their SOPs, in real time."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with the status that `run` returns."""
    prepare_standard_error()
    if isinstance(sys.stdout, io.TextIOWrapper):  # escape what its encoding cannot represent
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status (see `EPILOG`); an error is one line on standard error."""
    logging.basicConfig(handlers=[logging.NullHandler()])  # libraries: a command reports what matters itself
    try:
        status = sop.main(arguments, prog_name="sop", standalone_mode=False)
        print(end="", flush=True)
    except click.exceptions.Exit as requested:
        return requested.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return EXIT_USAGE
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        hint = f" (see {context.command_path} --help)" if context else ""
        return _print_error(error.format_message() + hint, EXIT_USAGE)
    except UsageError as error:
        return _print_error(str(error), EXIT_USAGE)
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except (Fatal, SopError) as error:
        return _print_error(str(error), EXIT_FATAL)
    except OSError as error:
        return _output_failed(error)
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # click and Rich exit on a closed pipe
            return _output_failed(ended.__context__)
        raise
    return status if isinstance(status, int) else 0


def _output_failed(error: OSError) -> int:
    """Return the status if the output cannot be written: 0 if its reader has closed the pipe."""
    sys.stdout = None  # the interpreter must not flush it at exit
    if isinstance(error, BrokenPipeError):
        return 0
    return _print_error(f"{error.filename or 'standard output'}: {error.strerror}", EXIT_USAGE)


def _print_error(message: str, status: int) -> int:
    print(error_line(printable(without_passwords(" ".join(message.split()))), log_format()), file=sys.stderr)
    return status


if __name__ == "__main__":
    main()
