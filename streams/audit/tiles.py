"""A log in tiles on disk, as C2SP's tlog-tiles has it: paths, and what the files of a log of some size contain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from streams.audit.merkle import HASH_BYTES, leaf_hash, root_of

WIDTH: Final = 256
"""How many hashes or entries a full tile has."""
ENTRY_BYTES_MAX: Final = 65_535
CHECKPOINT: Final = "checkpoint"
PARTIAL: Final = ".p"
"""What the name of a tile ends with that is not full, as a folder of such tiles by width."""


class Edge:
    """The right edge of a log: what its tiles have that are not full. The log grows from them alone.

    Their number, like the height of the tree, is the logarithm of the size of the log.
    """

    def __init__(self) -> None:
        self.size = 0
        self._entries: list[bytes] = []
        self._levels: list[list[bytes]] = []

    def grown(self, entries: Iterable[bytes]) -> tuple[Edge, dict[str, bytes]]:
        """Return the edge of the log with more entries, and its tiles by path that this one's does not have.

        Raises ValueError for an entry that is too long.
        """
        edge, files = Edge(), dict[str, bytes]()
        edge.size, edge._entries, edge._levels = self.size, [*self._entries], [[*each] for each in self._levels]
        for entry in entries:
            edge._entries.append(_with_length(entry))
            edge._add(0, leaf_hash(entry), files)
            edge.size += 1
            if len(edge._entries) == WIDTH:
                files[tile_path("entries", edge.size // WIDTH - 1, WIDTH)] = b"".join(edge._entries)
                edge._entries.clear()
        before = self.partial
        return edge, files | {path: tile for path, tile in edge.partial.items() if path not in before}

    def _add(self, level: int, node: bytes, files: dict[str, bytes]) -> None:
        """Add the next hash to a level; a tile that is full then has a hash in the level above."""
        if level == len(self._levels):
            self._levels.append([])
        hashes = self._levels[level]
        hashes.append(node)
        if len(hashes) == WIDTH:
            files[tile_path(str(level), self.size // WIDTH ** (level + 1), WIDTH)] = b"".join(hashes)
            self._add(level + 1, root_of(hashes), files)
            hashes.clear()

    @property
    def partial(self) -> dict[str, bytes]:
        """The tiles that are not full, by path."""
        tiles = [("entries", 0, self._entries), *((str(each), each, tile) for each, tile in enumerate(self._levels))]
        return {
            tile_path(name, self.size // WIDTH ** (level + 1), len(tile)): b"".join(tile)
            for name, level, tile in tiles
            if tile
        }

    @property
    def root(self) -> bytes:
        """The root of the log: each level has whole subtrees, and to the right of them what those below add up to."""
        nodes: list[bytes] = []
        for hashes in self._levels:
            if hashes or nodes:
                nodes = [root_of([*hashes, *nodes])]
        return root_of(nodes)


def entry_tiles(size: int) -> Iterator[tuple[str, int]]:
    """Yield the paths of the tiles with the entries of a log of some size, and how many each has."""
    for number in range(0, size, WIDTH):
        width = min(WIDTH, size - number)
        yield tile_path("entries", number // WIDTH, width), width


def tile_paths(size: int) -> Iterator[str]:
    """Yield the paths of all tiles of a log of some size."""
    yield from (path for path, _ in entry_tiles(size))
    level = 0
    while size:
        yield from (tile_path(str(level), at // WIDTH, min(WIDTH, size - at)) for at in range(0, size, WIDTH))
        level, size = level + 1, size // WIDTH


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


def is_earlier(path: str, content: bytes, tiles: Mapping[str, bytes]) -> bool:
    """Return whether a file is a tile as the log had it at a smaller size, given its tiles now, by `full_path`.

    Checkpoints of that size need it until the tile is full.
    """
    place, _, width = path.partition(f"{PARTIAL}/")
    is_width = width.isdecimal() and width.isascii() and str(int(width)) == width
    if not (is_width and tiles.get(place, b"").startswith(content)):
        return False
    if not place.startswith("tile/entries/"):
        return 0 < len(content) == int(width) * HASH_BYTES
    try:
        return bool(entries_in(content, int(width)))
    except ValueError:
        return False


def full_path(path: str) -> str:
    """Return the path that a tile has once it is full."""
    return path.partition(f"{PARTIAL}/")[0]


def tile_path(level: str, number: int, width: int) -> str:
    """Return the path of a tile: its number in groups of three digits, and its width if it is not full."""
    digits = f"{number:03}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    name = "/".join([*(f"x{each}" for each in groups[:-1]), groups[-1]])
    return f"tile/{level}/{name}" + ("" if width == WIDTH else f"{PARTIAL}/{width}")


def _with_length(entry: bytes) -> bytes:
    if len(entry) > ENTRY_BYTES_MAX:
        raise ValueError(f"an entry of {len(entry)} bytes is too long for the log")
    return len(entry).to_bytes(2) + entry
