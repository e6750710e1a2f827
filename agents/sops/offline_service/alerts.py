"""What ops wants to know about an offline service: nothing of a single case beyond the alerts about any decision."""

from __future__ import annotations

from typing import Final

from agents.sops.offline_service.assessment import Assessment
from agents.sops.tables.alerts import Alerts

ALERTS: Final[tuple[Alerts[Assessment], ...]] = ()
