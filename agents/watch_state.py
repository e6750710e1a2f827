"""A watch of the anomaly agent as a checkpoint keeps it."""

from __future__ import annotations

from typing import Final

import msgspec

from agents.anomalies.area_watch import AreaState, AreaWatch
from agents.anomalies.city_watch import CityState, CityWatch
from agents.anomalies.image_watch import ImageState, ImageWatch
from agents.anomalies.partner_watch import PartnerState, PartnerWatch
from agents.anomaly_agent import Watch

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(ImageState | PartnerState | AreaState | CityState)


def pack_watch(watch: Watch) -> bytes:
    """Return a watch as MessagePack."""
    return _encoder.encode(watch.state())


def unpack_watch(packed: bytes) -> Watch:
    """Return the watch that `pack_watch` packed; raises `msgspec.DecodeError` for anything else."""
    state = _decoder.decode(packed)
    if isinstance(state, ImageState):
        return ImageWatch.resume(state)
    if isinstance(state, PartnerState):
        return PartnerWatch.resume(state)
    return AreaWatch.resume(state) if isinstance(state, AreaState) else CityWatch.resume(state)
