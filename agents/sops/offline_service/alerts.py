"""Alerts of the offline-service SOP: none of its own, only those about any decision."""

from __future__ import annotations

from typing import Final

from agents.sops.offline_service.assessment import Assessment
from agents.sops.tables.alerts import Alerts

ALERTS: Final[tuple[Alerts[Assessment], ...]] = ()
