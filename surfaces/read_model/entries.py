"""What a record is to the read model: an event, a message, an act, a policy, or a worker's progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from agents.case.cities import compared
from agents.sops.catalogue import POLICIES, decode_message
from schemas.codec.decoder import decode_record, read_attributes
from schemas.codec.encoder import decode_act, decode_dead_letter
from schemas.codec.limits import Limits
from schemas.errors import Fatal, InvalidMessage
from schemas.events import AnyEvent, JobBooked
from schemas.outputs import ActionMessage, AlertMessage, DeadLetter, DecisionMessage, OutputMessage
from schemas.topics import Topics
from streams.runtime.progress import PROGRESS_KEY, unpack_progress
from surfaces.read_model.views import RowKind
from surfaces.sink.ports import Record


class ActMessage(Struct, frozen=True, kw_only=True):
    """What somebody did: `time` in microseconds."""

    time: int
    who: str
    address: str
    what: str
    why: str
    subject: str
    records: tuple[str, ...] = ()


class Message(NamedTuple):
    """An output, or an act, with the id of its envelope."""

    id: str
    content: OutputMessage | DeadLetter | ActMessage


class ProgressEntry(Struct, frozen=True):
    """Progress in the format of this version."""


class PolicyEntry(Struct, frozen=True):
    """A document on the topic of policies, or its withdrawal; a policy book says whether it is taken."""


Entry = AnyEvent | Message | ProgressEntry | PolicyEntry
Reader = Callable[[Record], Entry | None]


class EntryReader:
    """Reads the records of all topics that the read model is made from.

    `decisions.latest` is not among them: it repeats what the topics of decisions have in full. After a fault it may for
    a while have a first revision that its own topic lost; there is no order between the two topics, so whoever reads
    both cannot tell.
    """

    def __init__(self, topics: Topics, limits: Limits) -> None:
        self._limits = limits
        self.locations = topics.locations
        self._readers: dict[str, Reader] = {
            **dict.fromkeys(topics.inputs, self._event),
            **dict.fromkeys((*topics.decisions, topics.actions, topics.alerts), _output),
            topics.dead_letters: _dead_letter,
            topics.policies: lambda _: PolicyEntry(),
            topics.progress: _progress,
            topics.acts: _act,
        }

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics to read."""
        return tuple(self._readers)

    def read(self, record: Record) -> Entry | None:
        """Return what a record is, None if there is nothing to show; raises `InvalidMessage` if it cannot be read."""
        return self._readers[record.tp.topic](record)

    def _event(self, record: Record) -> Entry:
        """Return an event that a worker accepts too, if it is not from the future."""
        return decode_record(
            record.value, record.headers, self._limits, key=record.key, original_sizes=record.original_sizes
        )


def message_kind(content: OutputMessage | DeadLetter | ActMessage) -> RowKind:
    """Return which kind of row a message is."""
    match content:
        case DecisionMessage():
            return "decision"
        case ActionMessage():
            return "action"
        case AlertMessage():
            return "alert"
        case DeadLetter():
            return "dead_letter"
        case _:
            return "act"


def read_message(kind: RowKind, value: bytes) -> OutputMessage | DeadLetter | ActMessage:
    """Return the message in the value of a record that has been read before."""
    if kind == "dead_letter":
        return decode_dead_letter(value)
    return _read_act(value) if kind == "act" else decode_message(value)


def city_of(booking: JobBooked) -> str:
    """Return the city of a booking as all its names are written, by the aliases of the built-in policy."""
    return compared(booking.city, _policy)


def category_of(booking: JobBooked) -> str:
    """Return the category of a booking; letter case does not count."""
    return " ".join(booking.category.split()).casefold()


def case_of(letter: DeadLetter, locations: str) -> str | None:
    """Return the case that a refused record names: its subject or, if that cannot be read, its key.

    `locations` is the topic whose records name a partner instead.
    """
    if letter.topic == locations:
        return None
    attributes = None if letter.is_truncated else read_attributes(letter.value, letter.headers)
    if attributes is not None:
        return attributes.subject.strip() or None
    try:
        return (letter.key or b"").decode().strip() or None
    except UnicodeDecodeError:
        return None


class _Envelope(Struct):
    id: str


_envelope: Final = msgspec.json.Decoder(_Envelope)
_policy: Final = POLICIES.load_all(()).at(0)


def _output(record: Record) -> Entry:
    value = record.value or b""
    return Message(_id(value), decode_message(value))


def _dead_letter(record: Record) -> Entry:
    value = record.value or b""
    return Message(_id(value), decode_dead_letter(value))


def _act(record: Record) -> Entry:
    value = record.value or b""
    return Message(_id(value), _read_act(value))


def _read_act(value: bytes) -> ActMessage:
    act, subject, time = decode_act(value)
    return ActMessage(
        time=time, who=act.who, address=act.address, what=act.what, why=act.why, subject=subject, records=act.records
    )


def _id(value: bytes) -> str:
    try:
        return _envelope.decode(value).id
    except (ValueError, RecursionError) as error:
        raise InvalidMessage(f"value: not an event ({error})") from None


def _progress(record: Record) -> Entry | None:
    """Return progress; the topic carries other records of the workers too, which mean nothing here."""
    if record.key != PROGRESS_KEY or record.value is None:
        return None
    try:
        unpack_progress(record.value)
    except Fatal as error:  # of another version
        raise InvalidMessage(str(error)) from None
    return ProgressEntry()
