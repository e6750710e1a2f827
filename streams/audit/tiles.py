"""A log in tiles on disk, as C2SP's tlog-tiles has it: paths, and what the files of a log of some size contain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from streams.audit.merkle import leaf_hash, root_of

WIDTH: Final = 256
"""How many hashes or entries a full tile has."""
ENTRY_BYTES_MAX: Final = 65_535
CHECKPOINT: Final = "checkpoint"


def tiles_of(entries: Sequence[bytes], since: int = 0) -> Mapping[str, bytes]:
    """Return the files of a log by path, the checkpoint aside; only those that differ from the first `since` entries'.

    Raises ValueError for an entry that is too long.
    """
    files: dict[str, bytes] = {}
    if len(entries) == since:
        return files
    for number, part in _parts(entries, since // WIDTH):
        files[tile_path("entries", number, len(part))] = b"".join(map(_with_length, part))
    level, hashes = 0, [leaf_hash(each) for each in entries]
    while hashes and len(hashes) != since:
        for number, part in _parts(hashes, since // WIDTH):
            files[tile_path(str(level), number, len(part))] = b"".join(part)
        level, since = level + 1, since // WIDTH
        hashes = [root_of(part) for _, part in _parts(hashes, 0) if len(part) == WIDTH]
    return files


def entry_tiles(size: int) -> Iterator[tuple[str, int]]:
    """Yield the paths of the tiles with the entries of a log of some size, and how many each has."""
    for number in range(0, size, WIDTH):
        width = min(WIDTH, size - number)
        yield tile_path("entries", number // WIDTH, width), width


def entries_in(tile: bytes, count: int) -> list[bytes]:
    """Return the entries in a tile; raises ValueError if it does not have exactly so many."""
    entries, at = [], 0
    while at < len(tile):
        length = int.from_bytes(tile[at : at + 2])
        entry = tile[at + 2 : at + 2 + length]
        at += 2 + length
        entries.append(entry)
    if at != len(tile) or len(entries) != count:
        raise ValueError(f"it does not have {count} whole entries")
    return entries


def tile_path(level: str, number: int, width: int) -> str:
    """Return the path of a tile: its number in groups of three digits, and its width if it is not full."""
    digits = f"{number:03}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    name = "/".join([*(f"x{each}" for each in groups[:-1]), groups[-1]])
    return f"tile/{level}/{name}" + ("" if width == WIDTH else f".p/{width}")


def _parts(items: Sequence[bytes], first: int) -> Iterator[tuple[int, Sequence[bytes]]]:
    """Yield what belongs into each tile from a number on."""
    for number in range(first, -(-len(items) // WIDTH)):
        yield number, items[number * WIDTH : (number + 1) * WIDTH]


def _with_length(entry: bytes) -> bytes:
    if len(entry) > ENTRY_BYTES_MAX:
        raise ValueError(f"an entry of {len(entry)} bytes is too long for the log")
    return len(entry).to_bytes(2) + entry
