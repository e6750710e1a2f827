"""The list of SOPs, the only one: topics, schemas, policy and documentation follow from it."""

from __future__ import annotations

from typing import Final

from agents.sops.contract import Sop
from agents.sops.offline_service import OFFLINE_SERVICE
from agents.sops.out_of_scope import OUT_OF_SCOPE

SOPS: Final[tuple[Sop, ...]] = (
    OUT_OF_SCOPE,
    OFFLINE_SERVICE,
)
