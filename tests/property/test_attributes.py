"""The attributes of a record equal those of its event, and only a record without an event has none."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from schemas.codec.decoder import decode_record, read_attributes
from schemas.codec.limits import Limits
from schemas.errors import InvalidMessage

LIMITS = Limits(name_chars=20)
NAMES = ("specversion", "id", "source", "type", "subject", "time")
VALUES: st.SearchStrategy[object] = st.one_of(
    st.sampled_from(["1.0", "location.reported", "job.rated", "job-1", "/s", "2026-11-21T12:00:00Z", "", "\ud800"]),
    st.sampled_from([None, 1, 1e400, True, [], {}, {"stars": 5}, {"lat": 1, "lon": 2, "accuracy_m": 3, "x": {}}]),
)
USUAL = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/s",
    "type": "location.reported",
    "subject": "p-1",
    "time": "2026-11-21T12:00:00Z",
    "data": {"lat": 1, "lon": 2, "accuracy_m": 3},
}
ENVELOPES = st.builds(
    lambda changes, begin, end: begin + json.dumps({**USUAL, **changes}).encode()[:-1] + end,
    st.dictionaries(st.sampled_from([*USUAL, "more"]), VALUES, max_size=3),
    st.sampled_from([b"", b" ", b"\xff", b"["]),
    st.sampled_from(
        [b"}", b"}}", b"", b', "subject": "p-2"}', b', "\\u0069d": "e-2"}', b', "type": 1}', b', "more": "\xff"}']
    ),
)
HEADERS = st.one_of(
    st.none(),
    st.lists(
        st.tuples(
            st.sampled_from([*(f"ce_{name}" for name in NAMES), "CE_ID", "content-type"]),
            st.sampled_from([b"1.0", b"location.reported", b"/s", b"2026-11-21T12:00:00Z", b"\xff", b"e", None]),
        ),
        max_size=8,
    ),
    st.just([(f"ce_{name}", str(USUAL[name]).encode()) for name in NAMES]),
)


@given(st.one_of(ENVELOPES, st.binary(max_size=40), st.none()), HEADERS)
@example(json.dumps(USUAL | {"subject": None}).encode()[:-1] + b', "subject": "p-2"}', None)
@example(b"[" * 10_000, None)
@example(json.dumps(USUAL).encode()[:-1] + b', "more": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", None)
def test_the_attributes_equal_those_of_the_event(
    value: bytes | None, headers: list[tuple[str, bytes | None]] | None
) -> None:
    attributes = read_attributes(value, headers)
    try:
        event = decode_record(value, headers, LIMITS)
    except InvalidMessage:
        return
    assert attributes is not None
    assert (attributes.source, attributes.id) == event.identity
    assert (attributes.type, attributes.subject) == (event.type, event.subject)
