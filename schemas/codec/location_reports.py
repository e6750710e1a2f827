"""A quick reading of location reports, most of what comes in; whatever is out of the ordinary is left to the codec.

One typed pass over the text instead of a dictionary and a check for each field. What is read here is what the codec
would have returned, digest included (`tests/property/test_location_reports.py`).
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

_MARK: Final = LOCATION_REPORT.encode()

_Latitude: TypeAlias = Annotated[int, Meta(ge=-90, le=90)] | Annotated[float, Meta(ge=-90, le=90)]
_Longitude: TypeAlias = Annotated[int, Meta(ge=-180, le=180)] | Annotated[float, Meta(ge=-180, le=180)]
# larger ones are left to the codec: where integers and doubles part the digest tells them apart
_Accuracy: TypeAlias = Annotated[int, Meta(ge=0, le=10**9)] | Annotated[float, Meta(ge=0, le=10**9)]


class _Data(Struct, kw_only=True, forbid_unknown_fields=True):
    """The members of `data` in the order of their names, as the digest has them; not frozen, see `_digest`."""

    accuracy_m: _Accuracy
    job_id: str | UnsetType = UNSET
    lat: _Latitude
    lon: _Longitude
    mocked: bool | UnsetType = UNSET


class _Envelope(Struct, forbid_unknown_fields=True):
    """A report's whole envelope; a member that is not here makes the text one for the codec."""

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
    """Return the location report that a whole envelope in JSON holds, None if it is for the codec to read or refuse."""
    if _MARK not in value or limits.name_chars < len(LOCATION_REPORT):
        return None
    try:
        envelope = _decoder.decode(value)
        time = parse_instant(envelope.time)
    except ValueError:
        return None
    data, most = envelope.data, limits.name_chars
    job_id = None if data.job_id is UNSET else data.job_id
    if not (
        _is_name(envelope.id, most)
        and _is_name(envelope.source, limits.url_chars)
        and _is_name(envelope.subject, most)
        and (job_id is None or _is_name(job_id, most))
        and is_uri_reference(envelope.source)
        and (now_us is None or time <= now_us + limits.future_us)
    ):
        return None
    report = LocationReported(float(data.lat), float(data.lon), float(data.accuracy_m), data.mocked is True, job_id)
    digest = _digest(envelope.subject, time, data)
    return Event(envelope.source, envelope.id, LOCATION_REPORT, envelope.subject, time, report, digest)


def _is_name(text: str, most: int) -> bool:
    return 0 < len(text) <= most and not text.isspace()


def _digest(subject: str, time: int, data: _Data) -> bytes:
    """Return what `event_digest` makes of the same event: there a double without a fraction is an integer."""
    if type(data.lat) is float and data.lat.is_integer():
        data.lat = int(data.lat)
    if type(data.lon) is float and data.lon.is_integer():
        data.lon = int(data.lon)
    if type(data.accuracy_m) is float and data.accuracy_m.is_integer():
        data.accuracy_m = int(data.accuracy_m)
    return blake2b(_encoder.encode((LOCATION_REPORT, subject, time, data)), digest_size=DIGEST_BYTES).digest()
