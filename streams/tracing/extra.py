"""Opens traces if their packages are installed; a worker without traces imports none of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from streams.config.credentials import refuse_plaintext
from streams.config.settings import Settings
from streams.process.extras import extra
from streams.processor.tracer import Tracer

TracerOf = Callable[[int], Tracer | None]
"""Returns the tracer of a partition number, None if nothing is traced."""


def untraced(_partition: int) -> None:
    """Return no tracer."""


@contextmanager
def open_traces(settings: Settings) -> Iterator[TracerOf]:
    """Yield what makes tracers; their spans go to SOP_TRACES_ENDPOINT, if there is one, until the `with` block ends.

    Raises `UsageError` if the address or the packages cannot be used.
    """
    if not settings.traces_endpoint:
        yield untraced
        return
    address = urlsplit(settings.traces_endpoint)
    if address.scheme == "http":
        refuse_plaintext(settings.profile, "SOP_TRACES_ENDPOINT: http", address.hostname or "")
    with extra("tracing", "SOP_TRACES_ENDPOINT"):
        from streams.tracing.traces import Traces  # noqa: PLC0415 - an extra
    with Traces(settings.traces_endpoint) as traces:
        yield traces.tracer
