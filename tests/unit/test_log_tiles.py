"""A log that grows step by step has the tiles of the whole log, and growing costs as much however large it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from streams.archive.folder import ArchiveFolder
from streams.audit.log import LOG, LogWriter, open_checkpoint, read_log
from streams.audit.merkle import leaf_hash, root_of
from streams.audit.note import Signer
from streams.audit.tiles import CHECKPOINT, WIDTH, Edge, entries_in, entry_tiles, tile_path, tile_paths
from tests.archives import WatchedFolder

SIGNER = Signer.of("example.com/log", Ed25519PrivateKey.from_private_bytes(bytes(32)))
SIZES = (0, 1, 255, 256, 257, 511, 512, 600, 65_535, 65_536, 65_537, 70_000)


def entries(size: int, first: int = 0) -> list[bytes]:
    return [b"%d" % number for number in range(first, first + size)]


def whole(size: int) -> Iterator[tuple[str, bytes]]:
    """Yield the tiles of hashes of a log, made level by level from all of its leaves."""
    level, hashes = 0, [leaf_hash(each) for each in entries(size)]
    while hashes:
        parts = [hashes[at : at + WIDTH] for at in range(0, len(hashes), WIDTH)]
        yield from ((tile_path(str(level), number, len(part)), b"".join(part)) for number, part in enumerate(parts))
        level, hashes = level + 1, [root_of(part) for part in parts if len(part) == WIDTH]


@pytest.mark.parametrize("size", SIZES)
def test_a_log_has_these_tiles_and_this_root(size: int) -> None:
    edge, tiles = Edge().grown(entries(size))
    assert edge.root == root_of([leaf_hash(each) for each in entries(size)])
    assert {path: tile for path, tile in tiles.items() if "entries" not in path} == dict(whole(size))
    read = [entry for path, count in entry_tiles(size) for entry in entries_in(tiles[path], count)]
    assert read == entries(size)
    assert sorted(tiles) == sorted(tile_paths(size))
    assert len(edge.paths) <= 4


@given(st.lists(st.integers(1, 300), min_size=1, max_size=8))
def test_a_log_that_grows_in_steps_becomes_the_same(steps: list[int]) -> None:
    edge, files = Edge(), dict[str, bytes]()
    for step in steps:
        before = {*edge.paths}
        edge, tiles = edge.grown(entries(step, edge.size))
        for path in before - {*edge.paths}:
            files.pop(path, None)
        files |= tiles
    at_once, tiles = Edge().grown(entries(sum(steps)))
    assert (edge.size, edge.root, files) == (at_once.size, at_once.root, tiles)


def signed(folder: ArchiveFolder) -> tuple[int, bytes]:
    note = folder.read(f"{LOG}/{CHECKPOINT}") or b""
    checkpoint = open_checkpoint(note.decode(), SIGNER.verifier)
    return checkpoint.size, checkpoint.root


def tiles_in(folder: ArchiveFolder) -> list[str]:
    return [path.removeprefix(f"{LOG}/") for path in folder.paths(f"{LOG}/tile")]


def test_what_an_entry_costs_does_not_grow_with_the_log(tmp_path: Path) -> None:
    costs = []
    for size in (300, 3_000, 30_000):
        folder = WatchedFolder(tmp_path / str(size))
        writer = LogWriter(folder, SIGNER, Edge())
        writer.append(entries(size))
        folder.calls.clear()
        folder.written = 0
        writer.append(entries(1, size))
        costs.append((len(folder.calls), folder.written))
        assert signed(folder) == (size + 1, root_of([leaf_hash(each) for each in entries(size + 1)]))
        assert tiles_in(folder) == sorted(tile_paths(size + 1))
    assert {calls for calls, _ in costs} <= {*range(8)}
    assert all(written < 20_000 for _, written in costs)


def test_a_log_goes_on_from_what_is_on_the_disk(tmp_path: Path) -> None:
    folder = ArchiveFolder(str(tmp_path))
    for size in (200, 100, 400):
        edge, before = read_log(folder, SIGNER.verifier)
        LogWriter(folder, SIGNER, edge).append(entries(size, len(before)))
    assert signed(folder) == (700, root_of([leaf_hash(each) for each in entries(700)]))
    assert tiles_in(folder) == sorted(tile_paths(700))


def test_tiles_that_could_not_be_deleted_are_deleted_later(tmp_path: Path) -> None:
    folder = WatchedFolder(tmp_path)
    writer = LogWriter(folder, SIGNER, Edge())
    writer.append(entries(3))
    folder.deletes = False
    writer.append(entries(1, 3))
    assert signed(folder)[0] == 4
    assert len(tiles_in(folder)) == 4
    folder.deletes = True
    writer.append(entries(1, 4))
    assert tiles_in(folder) == sorted(tile_paths(5))
    assert signed(folder) == (5, root_of([leaf_hash(each) for each in entries(5)]))
