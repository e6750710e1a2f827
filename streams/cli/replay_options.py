"""The settings that `sop replay` and `sop case` make from their options."""

from __future__ import annotations

from agents.sops.catalogue import POLICIES
from schemas.policy.model import PolicySet
from streams.cli.options import instant
from streams.config.settings import Settings
from streams.process.clock import SystemClock
from streams.replay.sequential import ReplaySettings


def replay_settings(settings: Settings, *, policy: str | None, until: str | None) -> ReplaySettings:
    """Return the settings for `--policy` (a file) and `--until` (RFC 3339).

    Without `--until` events in the future are refused; with it they are ignored, so the result never depends on today.
    """
    return ReplaySettings(
        policies=PolicySet([], POLICIES.load(policy)) if policy else POLICIES.load_all(settings.policies),
        limits=settings.limits,
        facts_per_case_max=settings.facts_per_case_max,
        until=None if until is None else instant("--until", until),
        now=SystemClock().now_us() if until is None else None,
    )
