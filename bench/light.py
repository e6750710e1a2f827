"""The light job: one pure function per event, the same in every runtime, so that only the runtimes differ.

Events have about 250 bytes and are keyed by one of 20,000 jobs: 85 % location pings (distance to the job's site, time
since when it is within 500 m), and 5 % each of job, ticket and cancellation events. Each ticket and each cancellation
leads to one decision of about 335 bytes that contains the job's state.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any, Final

import orjson

JOBS: Final = 20_000
PARTITIONS: Final = 4
BLOCK: Final = 20
"""Each block of events has the same mix of kinds, in random order."""
DECISIONS_PER_BLOCK: Final = 2
RADIUS_M: Final = 500.0
STALE_MS: Final = 900_000
STEP_MS: Final = 9
BEGIN_MS: Final = 1_790_000_000_000
EARTH_DIAMETER_M: Final = 12_742_017.6

State = dict[str, Any]
STATUSES: Final = ("assigned", "accepted", "en_route", "started", "completed")


def step(state: State | None, raw: bytes) -> tuple[State, bytes | None]:
    """Apply an event (JSON) to a job's state (None: a new job); return the state and a decision (JSON) or None.

    The state is modified in place.
    """
    event = orjson.loads(raw)
    if state is None:
        state = _begin(event["job_id"])
    kind = event["type"]
    if kind == "location.ping":
        _ping(state, event)
        return state, None
    if kind == "job.lifecycle":
        state["status"] = event["status"]
        return state, None
    if kind == "ticket.raised":
        state["tickets"] += 1
        return state, _decision(state, event, "sop.ticket.partner-presence")
    state["cancels"] += 1
    state["status"] = "cancelled"
    return state, _decision(state, event, "sop.cancel.attribution")


def events(count: int, seed: int = 7) -> Iterator[tuple[bytes, bytes]]:
    """Yield `count` events as key and value (JSON); the same seed gives the same bytes."""
    draw = random.Random(seed)
    names = [f"job-{number:05d}" for number in range(JOBS)]
    block = ["job.lifecycle", "ticket.raised", "job.cancelled", *["location.ping"] * (BLOCK - 3)]
    for number in range(count):
        if number % BLOCK == 0:
            draw.shuffle(block)
        job = draw.randrange(JOBS)
        event = {
            "event_id": f"evt-{number:09d}",
            "type": block[number % BLOCK],
            "job_id": names[job],
            "partner_id": f"partner-{job % 4000:05d}",
            "at": BEGIN_MS + number * STEP_MS,
            "schema": 3,
            "source": "partner-android/5.12.1",
            **_members(block[number % BLOCK], names[job], number, draw),
        }
        yield names[job].encode(), orjson.dumps(event)


def decisions(count: int) -> int:
    """Return how many decisions `count` events (a multiple of a block) lead to."""
    return count // BLOCK * DECISIONS_PER_BLOCK


def _members(kind: str, job_id: str, number: int, draw: random.Random) -> dict[str, object]:
    if kind == "location.ping":
        lat, lon = _site(job_id)
        return {
            "lat": round(lat + draw.uniform(-0.008, 0.008), 6),
            "lon": round(lon + draw.uniform(-0.008, 0.008), 6),
            "accuracy_m": round(draw.uniform(3, 60), 1),
            "speed_mps": round(draw.uniform(0, 18), 2),
            "heading": draw.randrange(360),
        }
    if kind == "job.lifecycle":
        slot = "2026-11-21T10:00/12:00"
        return {"status": draw.choice(STATUSES), "city": "delhi-ncr", "service": "ac-repair", "slot": slot}
    if kind == "ticket.raised":
        text = "nobody came, please check"
        return {"ticket_id": f"tkt-{number:08d}", "category": "partner_no_show", "channel": "app", "text": text}
    return {"by": "customer", "reason": "partner_late", "channel": "app", "fee_minor": 4900}


def _begin(job_id: str) -> State:
    return {
        "site": list(_site(job_id)),
        "status": "unknown",
        "seen": 0,
        "lat": 0.0,
        "lon": 0.0,
        "dist_m": -1.0,
        "inside_since": None,
        "pings": 0,
        "tickets": 0,
        "cancels": 0,
    }


def _ping(state: State, event: dict[str, Any]) -> None:
    lat, lon, at = event["lat"], event["lon"], event["at"]
    site = state["site"]
    distance = _distance_m(lat, lon, site[0], site[1])
    state["seen"], state["lat"], state["lon"] = at, lat, lon
    state["dist_m"] = round(distance, 1)
    state["pings"] += 1
    if distance > RADIUS_M:
        state["inside_since"] = None
    elif state["inside_since"] is None:
        state["inside_since"] = at


def _decision(state: State, event: dict[str, Any], rule: str) -> bytes:
    at, since = event["at"], state["inside_since"]
    stale = at - state["seen"] > STALE_MS or state["dist_m"] < 0.0
    verdict = "no_evidence" if stale else "off_site" if since is None else "on_site"
    return orjson.dumps(
        {
            "decision_id": "d-" + event["event_id"],
            "job_id": event["job_id"],
            "rule": rule,
            "verdict": verdict,
            "held_ms": 0 if since is None else at - since,
            "cause": event["event_id"],
            "at": at,
            "state": state,
        }
    )


def _site(job_id: str) -> tuple[float, float]:
    number = int(job_id[4:])
    return 28.40 + (number % 400) * 0.001, 77.00 + (number // 400) * 0.008


def _distance_m(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    half_lat = math.sin(math.radians(lat2 - lat1) / 2)
    half_lon = math.sin(math.radians(lon2 - lon1) / 2)
    haversine = half_lat**2 + math.cos(math.radians(lat1)) * math.cos(math.radians(lat2)) * half_lon**2
    return EARTH_DIAMETER_M * math.asin(math.sqrt(haversine))
