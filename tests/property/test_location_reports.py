"""The fast path for location reports agrees with the decoder on any bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.codec import decoder
from schemas.codec.limits import Limits
from schemas.codec.location_reports import read_location_report
from schemas.errors import InvalidMessage
from schemas.events import AnyEvent

LIMITS = Limits(name_chars=20, url_chars=16)
NOON = 1_795_262_400_000_000
HOUR_US = 3_600_000_000
ABSENT = object()

NUMBERS = st.one_of(
    st.integers(-200, 200),
    st.floats(-181, 181),
    st.sampled_from(
        [-0.0, 0, 90, 90.0, -90.5, 180.0, 1e-7, 1e9, 1e9 + 1, 2**53, 2.0**53 + 2, 1e300, 10**400, True, "1"]
    ),
)
NAMES = st.one_of(
    st.sampled_from(
        ["p-1", "", " ", "\u2003", "a" * 20, "a" * 21, "é#%41", "%4", "/apps/partner", "/apps/a#b#c", "\x1f"]
    ),
    st.text(max_size=3),
    st.just(7),
)
TIMES = st.sampled_from(
    [
        "2026-11-21T12:00:00Z",
        "2026-11-21t12:00:00.5z",
        "2026-11-21T17:30:59.1234567+05:30",
        "2026-11-21T13:00:00.000001Z",
        "2026-11-21T13:00:00Z",
        "2026-11-21 12:00:00Z",
        "2026-11-21T12:00:60Z",
        "2026-11-21T12:00:00",
        "9990-01-01T00:00:00Z",
        "noon",
    ]
)
MEMBERS = {
    "specversion": st.sampled_from(["1.0", "0.3", 1.0]),
    "id": NAMES,
    "source": NAMES,
    "type": st.sampled_from(["location.reported", "job.started"]),
    "subject": NAMES,
    "time": TIMES,
    "datacontenttype": st.sampled_from(["application/json", None, ABSENT, 3]),
    "traceparent": st.sampled_from([None, "00-1", {"location.reported": []}]),
}
DATA = {
    "lat": NUMBERS,
    "lon": NUMBERS,
    "accuracy_m": NUMBERS,
    "mocked": st.sampled_from([True, False, None, 1]),
    "job_id": NAMES | st.none(),
    "speed": st.none() | NUMBERS,
}
PLAIN = {
    "specversion": "1.0",
    "id": "r-1",
    "source": "/apps/partner",
    "type": "location.reported",
    "subject": "p-1",
    "time": "2026-11-21T12:00:00Z",
}


def decoded(value: bytes, now_us: int | None) -> AnyEvent | str:
    """Return what the decoder returns without the fast path: the event, or the reason of the error."""
    try:
        envelope = decoder._parse(value, "value", LIMITS)
        if not isinstance(envelope, dict):
            return "value: not a JSON object"
        return decoder._event(envelope, lambda: envelope.get("data"), LIMITS, now_us)
    except InvalidMessage as error:
        return error.reason


def agrees(value: bytes, now_us: int | None) -> bool:
    """Compare the fast path with the decoder; return whether it applied."""
    report = read_location_report(value, LIMITS, now_us)
    if report is None:
        return False
    expected = decoded(value, now_us)
    assert repr(report) == repr(expected)  # tells -0.0 from 0.0
    assert report == expected
    return True


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """Return a report with up to three members replaced or added, in any order, some of them repeated."""
    data = {"lat": draw(st.floats(-90, 90)), "lon": draw(NUMBERS), "accuracy_m": draw(st.integers(0, 99))}
    members: list[tuple[str, object]] = list(PLAIN.items())
    inner: list[tuple[str, object]] = list(data.items())
    for _ in range(draw(st.integers(0, 3))):
        table, into = draw(st.sampled_from([(MEMBERS, members), (DATA, inner)]))
        name = draw(st.sampled_from(sorted(table)))
        value = draw(table[name])
        if draw(st.booleans()):
            into[:] = [member for member in into if member[0] != name]
        if value is not ABSENT:
            into.append((name, value))
    members.append(("data", inner))
    return _written(draw(st.permutations(members))).encode("utf-8", "surrogatepass")


def _written(members: list[tuple[str, object]]) -> str:
    def value(each: object) -> str:
        return _written(each) if isinstance(each, list) and each and isinstance(each[0], tuple) else json.dumps(each)

    return "{" + ",".join(f"{json.dumps(name)}:{value(each)}" for name, each in members) + "}"


@given(texts(), st.sampled_from([None, NOON, NOON - HOUR_US, NOON - HOUR_US - 1]))
def test_the_fast_path_agrees_with_the_decoder(value: bytes, now_us: int | None) -> None:
    agrees(value, now_us)


@given(texts(), st.integers(0, 400), st.binary(max_size=3))
def test_the_fast_path_agrees_with_the_decoder_on_damaged_text(value: bytes, at: int, damage: bytes) -> None:
    agrees(value[:at] + damage + value[at + len(damage) :], NOON)


@given(st.floats(-90, 90), st.integers(-180, 180), st.floats(0, 1e9), st.booleans() | st.none())
@example(-0.0, -180, 1e9, None)
@example(5e-324, 0, 1e-5, None)
def test_a_usual_report_takes_the_fast_path(lat: float, lon: int, accuracy: float, mocked: bool | None) -> None:
    data = {"lat": lat, "lon": lon, "accuracy_m": accuracy} | ({} if mocked is None else {"mocked": mocked})
    assert agrees(json.dumps({**PLAIN, "data": data}).encode(), NOON)


@pytest.mark.parametrize(
    "change",
    [{"speed": 3}, {"mocked": None}, {"accuracy_m": 2**60}, {"job_id": " "}, {"lat": 91}, {"lat": True}, {"lon": None}],
    ids=str,
)
def test_an_unusual_report_is_left_to_the_decoder(change: dict[str, object]) -> None:
    data = {"lat": 1.5, "lon": 2.5, "accuracy_m": 3} | change
    assert not agrees(json.dumps({**PLAIN, "data": data}).encode(), NOON)
