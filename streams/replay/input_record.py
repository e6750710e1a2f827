"""A recorded message that a replay reads."""

from __future__ import annotations

from msgspec import Struct

from schemas.codec.headers import Headers
from schemas.codec.limits import RecordSizes


class InputRecord(Struct, frozen=True, gc=False):
    """A recorded message: its bytes and where it comes from (in a file: the file's name, partition 0, line from 1).

    `original_sizes` is set if a part of the record is larger than allowed; only the beginning of that part is kept.
    `is_erased` is set if a part of it is sealed under a key that was destroyed (surfaces.md, "Erasure").
    `input_number` numbers files from 1, because a file's name depends on the folder from which it is read.
    """

    topic: str
    partition: int
    offset: int
    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    original_sizes: RecordSizes | None = None
    input_number: int | None = None
    is_erased: bool = False
