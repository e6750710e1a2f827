"""The numbers of the SOP."""

from __future__ import annotations

from typing import Annotated, Final

from schemas.policy.model import DURATION, MINUTE, Section, key


class CustomerNotAvailable(Section, frozen=True):
    """How long a partner waits, and how often the customer is called (CNA-1)."""

    wait: Annotated[
        int,
        key("how long the partner waits at the site, from the first call in vain to the last", DURATION, "CNA-1"),
    ] = 15 * MINUTE
    calls: Annotated[
        int,
        key("calls in vain from which on the visit fee stands", "calls", "CNA-1", at_least=1.0),
    ] = 2


SECTIONS: Final = (CustomerNotAvailable,)
