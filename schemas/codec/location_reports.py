"""A fast path for location reports, which are most of the input; any unusual report is left to the decoder.

It decodes the text in one typed pass, without a dictionary and a check per field. Its events equal the decoder's,
digest included (`tests/property/test_location_reports.py`).
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.codec.event_digest import DIGEST_BYTES
from schemas.codec.limits import Limits
from schemas.codec.validation import is_uri_reference
from schemas.events import LOCATION_REPORT, AnyEvent, Event, LocationReported
from schemas.timestamps import parse_instant

_TYPE: Final = LOCATION_REPORT.encode()

_Latitude: TypeAlias = Annotated[int, Meta(ge=-90, le=90)] | Annotated[float, Meta(ge=-90, le=90)]
_Longitude: TypeAlias = Annotated[int, Meta(ge=-180, le=180)] | Annotated[float, Meta(ge=-180, le=180)]
# larger ones are left to the decoder: beyond 2^53 the digest depends on the exact integer
_Accuracy: TypeAlias = Annotated[int, Meta(ge=0, le=10**9)] | Annotated[float, Meta(ge=0, le=10**9)]


class _Data(Struct, kw_only=True, forbid_unknown_fields=True):
    """The members of `data` in the order of their names, as the digest needs them; `_digest` changes them."""

    accuracy_m: _Accuracy
    job_id: str | UnsetType = UNSET
    lat: _Latitude
    lon: _Longitude
    mocked: bool | UnsetType = UNSET


class _Envelope(Struct, forbid_unknown_fields=True):
    """The whole envelope of a usual report; any other member leaves the text to the decoder."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: Literal["location.reported"]
    subject: str
    time: str
    data: _Data
    datacontenttype: str | None = None


_decoder: Final = msgspec.json.Decoder(_Envelope)
_encoder: Final = msgspec.json.Encoder()


def read_location_report(value: bytes, limits: Limits, now_us: int | None) -> AnyEvent | None:
    """Return the location report in a structured envelope; None leaves it to the decoder to accept or reject."""
    if _TYPE not in value or limits.name_chars < len(LOCATION_REPORT):
        return None
    try:
        envelope = _decoder.decode(value)
        time = parse_instant(envelope.time)
    except ValueError:
        return None
    data, max_chars = envelope.data, limits.name_chars
    job_id = None if data.job_id is UNSET else data.job_id
    if not (
        _is_name(envelope.id, max_chars)
        and _is_name(envelope.source, limits.url_chars)
        and _is_name(envelope.subject, max_chars)
        and (job_id is None or _is_name(job_id, max_chars))
        and is_uri_reference(envelope.source)
        and (now_us is None or time <= now_us + limits.future_us)
    ):
        return None
    report = LocationReported(float(data.lat), float(data.lon), float(data.accuracy_m), data.mocked is True, job_id)
    digest = _digest(envelope.subject, time, data)
    return Event(envelope.source, envelope.id, LOCATION_REPORT, envelope.subject, time, report, digest)


def _is_name(text: str, max_chars: int) -> bool:
    return 0 < len(text) <= max_chars and not text.isspace()


def _digest(subject: str, time: int, data: _Data) -> bytes:
    """Return the same digest as `event_digest`, which writes a double without a fraction as an integer."""
    if type(data.lat) is float and data.lat.is_integer():
        data.lat = int(data.lat)
    if type(data.lon) is float and data.lon.is_integer():
        data.lon = int(data.lon)
    if type(data.accuracy_m) is float and data.accuracy_m.is_integer():
        data.accuracy_m = int(data.accuracy_m)
    return blake2b(_encoder.encode((LOCATION_REPORT, subject, time, data)), digest_size=DIGEST_BYTES).digest()
