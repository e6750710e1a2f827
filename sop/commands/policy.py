"""`sop policy`: shows, checks, compares, signs and publishes policy documents."""

import asyncio
import sys
from pathlib import Path

import click
import msgspec

from agents.sops import catalogue
from agents.sops.catalogue import POLICIES
from schemas.errors import PolicyError, UsageError
from schemas.files import read_small_text
from schemas.policy.document import value_text
from schemas.policy.model import Policy, PolicySet
from schemas.topics import Topics
from sop.groups import SuggestingGroup
from sop.options import FILE, instant
from streams.config.settings import Settings, settings_from
from streams.files.writing import line_writer
from streams.operations.signature_check import signature_check, signature_headers
from streams.policies.book import PolicyBook, is_in_force, since
from streams.process.clock import SystemClock
from streams.process.extras import extra
from streams.replay.deduplicate import deduplicate
from streams.replay.inputs import read_inputs
from streams.replay.replay import last_instant
from streams.terminal.printable import printable
from streams.terminal.tables import Column, show_table
from streams.terminal.wrapping import show
from streams.what_if.difference import PolicyDifference, compare
from streams.what_if.page import page

BUILT_IN = "built-in"
SHOWN_MAX = 10
SIGNATURES = ".sig"
"""What is added to the name of a document for that of the file with its signatures."""

INPUT = click.option(
    "--input",
    "inputs",
    metavar="INPUT",
    multiple=True,
    type=FILE,
    help="Events to replay, as for sop replay; repeatable.",
)
UNTIL = click.option("--until", metavar="TIME", help="End the virtual clock here (default: the last event's time).")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
HTML = click.option("--html", metavar="FILE", type=FILE, help="Write a page with plots here, too.")
OUT = click.option(
    "--out",
    metavar="FILE",
    type=FILE,
    help="Write the result as JSON here, too; the console shows the files *.json in SOP_CONSOLE_POLICY_DIFFS.",
)


@click.group(cls=SuggestingGroup)
def command() -> None:
    """Show, check, compare, sign and publish policies, the numbers and lists that decisions depend on."""


@command.command()
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=FILE)
def check(files: tuple[str, ...]) -> None:
    """Check policy documents one by one and against each other; show how each differs from the built-in policy."""
    for file in files:
        policy = POLICIES.load(file)
        print(printable(f"{file}: {policy.name}, in force {since(policy)}"))
        _print_changes(policy)
    POLICIES.load_all(files)


@command.command("show")
@click.argument("label", required=False)
@click.option("--toml", "as_toml", is_flag=True, help="Print a complete policy document, as a start for your own.")
def show_policy(label: str | None, as_toml: bool) -> None:
    """Show the built-in policy: every key with its default, unit, clauses and meaning.

    With LABEL, show a policy of SOP_POLICIES or of the topic policies: its document, and what it changes.
    """
    if label is not None and label != BUILT_IN:
        _show_known(label, as_toml=as_toml)
    elif as_toml:
        print(POLICIES.dump(POLICIES.default), end="")
    else:
        for name, key, value in POLICIES.values(POLICIES.default):
            show(f"{name} = {value_text(key, value)} ({key.unit}) [{' '.join(key.clauses)}]")
            show(f"    {key.note}")


@command.command("list")
@AS_JSON
def list_policies(as_json: bool) -> None:
    """List the policies of SOP_POLICIES and of the topic policies: when each is in force, and which one is now."""
    settings, now = settings_from(), SystemClock().now_us()
    book = _known(settings)
    in_force = book.policies.at(now)
    rows = [
        (policy.label, policy.hash, since(policy), _place(book, policy), "yes" if policy is in_force else "no")
        for policy in book.policies.all
    ]
    if as_json:
        names = ("label", "hash", "in_force", "from", "now")
        print(msgspec.json.encode([dict(zip(names, row, strict=True)) for row in rows]).decode())
        return
    columns = [Column("label"), Column("hash"), Column("in force"), Column("from"), Column("in force now")]
    show_table(columns, [[printable(cell) for cell in row] for row in rows])


@command.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@INPUT
@UNTIL
@AS_JSON
@OUT
@HTML
def diff(
    before: str,
    after: str,
    inputs: tuple[str, ...],
    until: str | None,
    as_json: bool,
    out: str | None,
    html: str | None,
) -> None:
    """Show which decisions policy B would make otherwise than policy A, and what that means in people and money.

    A and B are files, labels of SOP_POLICIES or of the topic policies, or built-in. All cases are decided under each of
    them, whatever its date, as sop replay --policy does.
    """
    settings = settings_from()
    sides = [_policy(name, settings) for name in (before, after)]
    names_and_sets = [(each.name, PolicySet([], each)) for each in sides]
    found = _difference(settings, inputs, until, names_and_sets[0], names_and_sets[1])
    _write_difference(found, out, html, inputs)  # before a reader of the output can go away
    _print_difference(found, as_json=as_json)


@command.command()
@click.argument("file", type=FILE)
@click.option("--key-file", required=True, metavar="KEY", type=FILE, help="The private key (sop audit keygen).")
@click.option("--out", metavar="FILE", type=FILE, help="Add the signature to this file (default: FILE.sig).")
def sign(file: str, key_file: str, out: str | None) -> None:
    """Sign a policy document, and add the signature to a file beside it that sop policy publish reads."""
    with extra("audit", "a signature"):
        from streams.audit.keys import read_signer  # noqa: PLC0415 - an extra
        from streams.audit.policy_signatures import signature_line, signature_lines  # noqa: PLC0415
    policy, document = _document(file)
    target = Path(out or f"{file}{SIGNATURES}")
    signer = read_signer(key_file)
    lines = signature_lines(_text(target), str(target)) if target.exists() else []
    if (line := signature_line(document, signer)) not in lines:
        lines.append(line)
    try:
        target.write_text("".join(f"{each}\n" for each in lines), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{target}: {error.strerror}") from error
    print(printable(f"{target}: {policy.name}, signed by {signer.verifier.name}, {len(lines)} signatures"))


@command.command()
@click.argument("file", type=FILE)
@click.option(
    "--signatures", metavar="FILE", type=FILE, help="The file of signatures (default: FILE.sig, if it is there)."
)
@click.option(
    "--retroactive", is_flag=True, help="Publish one that is in force already, after showing what it changes."
)
@click.option("--yes", is_flag=True, help="Publish it; without this, a retroactive one is only compared.")
@INPUT
@UNTIL
@OUT
@HTML
def publish(
    file: str,
    signatures: str | None,
    retroactive: bool,
    yes: bool,
    inputs: tuple[str, ...],
    until: str | None,
    out: str | None,
    html: str | None,
) -> int:
    """Publish a policy document on the topic policies, from which all workers take it within a minute.

    A policy that is in force sooner than that changes decisions that are made already: it needs --retroactive and
    --input, shows what it would change, and is published with --yes. With SOP_POLICY_KEYS it needs two signatures.

    Exits with 1 if it was written, but workers do not take it, since another one came before it.
    """
    from streams.kafka.connection import connect_kafka  # noqa: PLC0415 - the Kafka client is slow to import
    from streams.operations.published_policies import create_policy_topic, publish_policy  # noqa: PLC0415

    settings = settings_from()
    policy, document = _document(file)
    lines = _signatures(file, signatures)
    if settings.policy_keys:
        try:
            signature_check(settings)(document, signature_headers(lines))
        except PolicyError as error:
            raise PolicyError(f"{file}: {error}") from None
    book, now = _known(settings), SystemClock().now_us()
    known = book.published.get(policy.label)
    if known is not None and known.hash == policy.hash:
        print(printable(f"{policy.name} is published already"))
        return 0
    book.check(policy, now, file)
    is_late = is_in_force(policy, now)
    if is_late:
        if not retroactive:
            raise _too_late(policy, file)
        if not inputs:
            raise UsageError("--retroactive: needs --input, the events to show for what the policy would change")
        others = [each for each in book.policies.dated if each is not known and each.hash != policy.hash]
        after = PolicySet([*others, policy], book.policies.default)
        found = _difference(settings, inputs, until, ("what is published", book.policies), (policy.name, after))
        _write_difference(found, out, html, inputs)
        _print_difference(found, as_json=False)
        if not yes:
            print("not published; --yes publishes it")
            return 0
    connection, topics, in_files = connect_kafka(settings), _topics(settings), POLICIES.load_all(settings.policies)
    asyncio.run(create_policy_topic(settings, connection, topics))
    now = SystemClock().now_us()  # what was allowed at the beginning may be too late by now
    book.check(policy, now, file)
    if is_in_force(policy, now) and not is_late:
        raise _too_late(policy, file)
    place, reason = asyncio.run(publish_policy(settings, connection, topics, in_files, policy, document, lines, now))
    if reason is not None:
        print(printable(f"sop: {file}: written to {place.name}, but workers do not have it: {reason}"), file=sys.stderr)
        return 1
    print(printable(f"{policy.name} is published on {place.topic}, in force {since(policy)}"))
    return 0


def _too_late(policy: Policy, file: str) -> PolicyError:
    return PolicyError(
        f"{file}: effective_from: in force {since(policy)}, which has passed or is less than 60 s from now, so "
        "workers could not know it in time; --retroactive publishes it all the same"
    )


def _topics(settings: Settings) -> Topics:
    return catalogue.topics(settings.topic_prefix)


def _known(settings: Settings) -> PolicyBook:
    from streams.kafka.connection import connect_kafka  # noqa: PLC0415 - the Kafka client is slow to import
    from streams.operations.published_policies import read_policies  # noqa: PLC0415

    in_files = POLICIES.load_all(settings.policies)
    return asyncio.run(read_policies(settings, connect_kafka(settings), _topics(settings), in_files))


def _labelled(label: str, settings: Settings) -> tuple[Policy, PolicyBook]:
    book = _known(settings)
    for policy in book.policies.dated:
        if policy.label == label:
            return policy, book
    raise UsageError(f"{label!r} is no label of a policy in SOP_POLICIES or on the topic {_topics(settings).policies}")


def _policy(name: str, settings: Settings) -> Policy:
    """Return the policy that a file, a label or `built-in` stands for."""
    if name == BUILT_IN:
        return POLICIES.default
    return POLICIES.load(name) if Path(name).is_file() else _labelled(name, settings)[0]


def _show_known(label: str, *, as_toml: bool) -> None:
    policy, book = _labelled(label, settings_from())
    if as_toml:
        print(POLICIES.dump(policy), end="")
        return
    print(printable(f"{policy.name}, in force {since(policy)}, from {_place(book, policy)}"))
    _print_changes(policy)
    if (document := book.documents.get(label)) is not None:
        print()
        for line in document.splitlines():
            print(printable(line))


def _place(book: PolicyBook, policy: Policy) -> str:
    if policy is book.policies.default:
        return BUILT_IN
    return "the topic" if book.published.get(policy.label) is policy else "a file"


def _print_changes(policy: Policy) -> None:
    for name, key, value, built_in in POLICIES.changes(policy):
        print(printable(f"  {name} = {value_text(key, value)} (built in: {value_text(key, built_in)})"))


def _document(file: str) -> tuple[Policy, str]:
    return POLICIES.load(file), _text(Path(file))


def _text(path: Path) -> str:
    try:
        return read_small_text(path)
    except ValueError as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error


def _signatures(file: str, given: str | None) -> list[str]:
    path = Path(given or f"{file}{SIGNATURES}")
    if given is None and not path.exists():
        return []
    return [line for line in _text(path).splitlines() if line.strip()]


def _difference(
    settings: Settings,
    inputs: tuple[str, ...],
    until: str | None,
    before: tuple[str, PolicySet],
    after: tuple[str, PolicySet],
) -> PolicyDifference:
    """Return what differs; both sides see the same records, which are read once."""
    if not inputs:
        raise UsageError("--input: name the events to decide under both policies")
    end = None if until is None else instant("--until", until)
    now = SystemClock().now_us() if end is None else None
    records = enumerate(read_inputs(inputs, settings))
    unique = deduplicate(records, settings.limits, now, settings.facts_per_case_max)
    return compare(unique.events, last_instant(unique.events) if end is None else end, before, after)


def _print_difference(found: PolicyDifference, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(found).decode())
        return
    print(printable(f"from {found.before} to {found.after}:"))
    print(f"{len(found.changed)} of {found.decisions} decisions about {found.events} events change")
    tables: list[tuple[list[str], list[list[object]]]] = [
        (
            ["kind", "about", "from", "to", "decisions"],
            [[each.kind, each.subject_of, each.before, each.after, each.decisions] for each in found.transitions],
        ),
        (
            ["account", "unit", "before", "after", "added", "lifted"],
            [
                [each.account.replace("_", " "), each.unit, each.before, each.after, each.added, each.removed]
                for each in found.accounts
            ],
        ),
        *(
            (
                [title, "decisions", "penalties"],
                [[each.name, each.decisions, f"{each.penalties:+d}"] for each in affected[:SHOWN_MAX]],
            )
            for title, affected in (("partner", found.partners), ("city", found.cities))
        ),
    ]
    for titles, rows in tables:
        if rows:
            print()
            show_table([Column(title) for title in titles], [[printable(str(cell)) for cell in row] for row in rows])


def _write_difference(found: PolicyDifference, out: str | None, html: str | None, inputs: tuple[str, ...]) -> None:
    if out is not None:
        with line_writer(out, inputs) as write:
            write(msgspec.json.encode(found))
    if html is not None:
        with line_writer(html, inputs) as write:
            write(page(found).encode().rstrip(b"\n"))
