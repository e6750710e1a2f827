"""What is sealed is opened to the byte, and nothing personal is left in what is sealed."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec.headers import Headers
from schemas.events import EVENT_TYPES
from streams.archive.layout import SegmentName
from streams.archive.records import ArchivedRecord
from streams.processor.internal_messages import Forwarded, pack
from streams.sealing.person_keys import PersonKeys
from streams.sealing.sealing import Opener, seal

TOPICS = (
    "jobs",
    "x.tickets",
    "cancellations",
    "locations",
    "decisions.tagging",
    "alerts",
    "dead-letters",
    "internal.cases",
)
LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
NAMES = (
    *("specversion", "id", "source", "type", "subject", "time", "data", "data_base64", "site", "lat", "lon", "url"),
    *(
        "name",
        "phone",
        "partner_id",
        "customer_id",
        "proof_url",
        "previous",
        "labels",
        "image",
        "topic",
        "value",
        "key",
    ),
    *("headers", "sealed:a:b"),
)
TEXTS = (
    st.sampled_from(
        [*EVENT_TYPES, *NAMES, *TOPICS, "sealed:erased:", "sealed:0123456789abcdef:AAAAAAAAAAAAAAAAAAAAAA=="]
    )
    | st.text()
)


@st.composite
def written(draw: st.DrawFn, value: object) -> str:
    """Return a value as some JSON text: any white space, any escapes, members in any order and repeated."""
    space = st.sampled_from(["", "", " ", "\n", "\t\r\n "])
    if isinstance(value, str):
        return json.dumps(
            value, ensure_ascii=draw(st.booleans()) or any(0xD800 <= ord(each) < 0xE000 for each in value)
        )
    if not isinstance(value, dict | list):
        return json.dumps(value)
    pairs = list(value.items()) if isinstance(value, dict) else [(None, each) for each in value]
    if isinstance(value, dict) and pairs and draw(st.booleans()):
        pairs.append((draw(st.sampled_from(pairs))[0], draw(LEAF)))
        pairs = draw(st.permutations(pairs))
    parts = []
    for name, each in pairs:
        before = "" if name is None else draw(written(name)) + draw(space) + ":" + draw(space)
        parts.append(draw(space) + before + draw(written(each)) + draw(space))
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return opening + (",".join(parts) or draw(space)) + closing


VALUES = st.recursive(
    LEAF | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=12,
)
DATA = st.dictionaries(TEXTS, VALUES, max_size=6)
ENVELOPES = st.fixed_dictionaries(
    {"type": TEXTS, "subject": TEXTS, "source": TEXTS, "id": TEXTS}, optional={"data": DATA | VALUES, "extra": VALUES}
)
JSON_TEXTS = (ENVELOPES | VALUES).flatmap(written).map(lambda text: text.encode(errors="replace"))
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["ce_specversion", "ce_type", "CE_data_base64", "ce_subject", "ce_id", "ce_source", "x"]),
        st.none()
        | st.binary(max_size=6)
        | st.sampled_from([b"1.0", b"job.booked", b"job-1", b'"sealed:erased:"', b64encode(b'{"partner_id": "p"}')]),
    ),
    max_size=4,
).map(tuple)
RECORD_VALUES = st.none() | st.binary(max_size=40) | JSON_TEXTS


@st.composite
def letters(draw: st.DrawFn) -> bytes:
    """Return a dead letter as workers write it, or nearly."""
    refused = draw(RECORD_VALUES)
    value = None if refused is None else b64encode(refused).decode()
    named = [[name, None if each is None else b64encode(each).decode()] for name, each in draw(HEADERS)]
    data = {
        "topic": draw(TEXTS),
        "value": value,
        "key": b64encode(draw(st.binary(max_size=5))).decode(),
        "headers": named,
    }
    return draw(
        written({"type": "dead-letter", "data": {**data, **draw(st.dictionaries(TEXTS, VALUES, max_size=1))}})
    ).encode(errors="replace")


@st.composite
def forwarded(draw: st.DrawFn) -> bytes:
    """Return a forwarded event as workers write it, or a part of one."""
    headers = draw(HEADERS)
    value = pack(
        Forwarded(draw(TEXTS.filter(is_storable)), 0, 1, 2, draw(st.binary(max_size=5)), draw(RECORD_VALUES), headers)
    )
    return value[: draw(st.sampled_from([len(value), 9]))]


def is_storable(text: str) -> bool:
    return text.encode(errors="replace").decode() == text


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PersonKeys]:
    found = PersonKeys(str(tmp_path_factory.mktemp("keys") / "keys.sqlite"), bytes(32))
    yield found
    found.close()


def name_of(topic: str) -> SegmentName:
    return SegmentName(topic, 0, 0, 0, 1 << 40, "id", date(2026, 11, 21))


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    st.sampled_from(TOPICS),
    RECORD_VALUES | letters() | forwarded(),
    HEADERS,
    st.none() | st.binary(max_size=5),
    st.integers(0, 9),
)
def test_what_is_sealed_is_opened_to_the_byte(
    keys: PersonKeys, topic: str, value: bytes | None, headers: Headers, key: bytes | None, offset: int
) -> None:
    record, name = ArchivedRecord(offset, 0, key, value, headers), name_of(topic)
    (sealed,) = seal(keys, name, [record])
    assert seal(keys, name, [record]) == [sealed]
    assert Opener(keys).open(name, sealed) == (record, False)
    assert (
        record.value is None
        or b"sealed" in record.value
        or Opener(keys).open(name, sealed._replace(is_sealed=None)) == (record, False)
    )
