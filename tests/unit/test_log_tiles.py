"""A log that grows step by step has the tiles of the whole log, and growing costs as much however large it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Unavailable
from streams.archive.folder import ArchiveFolder
from streams.audit.log import LOG, LogWriter, open_checkpoint, read_log
from streams.audit.merkle import leaf_hash, root_of
from streams.audit.note import Signer
from streams.audit.tiles import (
    CHECKPOINT,
    WIDTH,
    Edge,
    entries_in,
    entry_tiles,
    full_path,
    is_earlier,
    tile_path,
    tile_paths,
)
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
    assert len(edge.partial) <= 4


@given(st.lists(st.integers(1, 300), min_size=1, max_size=8))
def test_a_log_that_grows_in_steps_becomes_the_same(steps: list[int]) -> None:
    edge, files = Edge(), dict[str, bytes]()
    for step in steps:
        before = {*edge.partial}
        edge, tiles = edge.grown(entries(step, edge.size))
        for path in before - {*edge.partial}:
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


def tiles_since(*sizes: int) -> list[str]:
    """Return the tiles of a log that was signed at these sizes: a narrower one stays until its place has a full one."""
    now = {*tile_paths(sizes[-1])}
    before = {path for size in sizes for path in tile_paths(size)}
    return sorted(now | {path for path in before if full_path(path) not in now})


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
        assert tiles_in(folder) == tiles_since(size, size + 1)
    assert {calls for calls, _ in costs} <= {*range(8)}
    assert all(written < 20_000 for _, written in costs)


def test_a_log_goes_on_from_what_is_on_the_disk(tmp_path: Path) -> None:
    folder = ArchiveFolder(str(tmp_path))
    for size in (200, 100, 400):
        edge, before = read_log(folder, SIGNER.verifier)
        LogWriter(folder, SIGNER, edge).append(entries(size, len(before)))
    assert signed(folder) == (700, root_of([leaf_hash(each) for each in entries(700)]))
    assert tiles_in(folder) == tiles_since(200, 300, 700)


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("steps", [(1, 2, 3), (250, 5, 1, 1), (255, 2, 254, 1), (256, 44, 300, 1)])
def test_every_checkpoint_finds_its_tiles_or_full_ones(
    tmp_path: Path, steps: tuple[int, ...], *, restarts: bool
) -> None:
    folder, sizes = ArchiveFolder(str(tmp_path)), [0]
    writer = LogWriter(folder, SIGNER, Edge())
    for step in steps:
        if restarts:
            writer = LogWriter(folder, SIGNER, read_log(folder, SIGNER.verifier)[0])
        writer.append(entries(step, sizes[-1]))
        sizes.append(sizes[-1] + step)
    assert tiles_in(folder) == tiles_since(*sizes)
    for size in sizes:
        _, tiles = Edge().grown(entries(size))
        for path, tile in tiles.items():
            found = folder.read(f"{LOG}/{path}") or folder.read(f"{LOG}/{full_path(path)}") or b""
            assert found.startswith(tile)


def test_tiles_that_could_not_be_deleted_are_deleted_later(tmp_path: Path) -> None:
    folder = WatchedFolder(tmp_path)
    writer = LogWriter(folder, SIGNER, Edge())
    writer.append(entries(3))
    folder.deletes = False
    writer.append(entries(WIDTH, 3))
    assert signed(folder)[0] == 3 + WIDTH
    assert "tile/0/000.p/3" in tiles_in(folder)
    folder.deletes = True
    writer.append(entries(1, 3 + WIDTH))
    assert tiles_in(folder) == tiles_since(3, 3 + WIDTH, 4 + WIDTH)
    assert signed(folder) == (4 + WIDTH, root_of([leaf_hash(each) for each in entries(4 + WIDTH)]))


class FailingFolder(ArchiveFolder):
    """Refuses to write the checkpoint if `fails`."""

    fails = False

    def put(self, path: str, content: bytes | pa.Buffer) -> None:
        if self.fails and path == f"{LOG}/{CHECKPOINT}":
            raise Unavailable(path)
        super().put(path, content)


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("failed", [2, 300])
def test_tiles_of_entries_that_were_not_signed_are_deleted(tmp_path: Path, failed: int, *, restarts: bool) -> None:
    folder = FailingFolder(str(tmp_path))
    writer = LogWriter(folder, SIGNER, Edge())
    writer.append(entries(3))
    folder.fails = True
    with pytest.raises(Unavailable):
        writer.append(entries(failed, 1_000))
    folder.fails = False
    if restarts:
        writer = LogWriter(folder, SIGNER, read_log(folder, SIGNER.verifier)[0])
    writer.append(entries(7, 3))
    assert tiles_in(folder) == tiles_since(3, 10)


@pytest.mark.parametrize(
    ("path", "content", "is_one"),
    [
        ("tile/0/000.p/2", b"a" * 32 + b"b" * 32, True),
        ("tile/0/000.p/3", b"a" * 32 + b"b" * 32, False),
        ("tile/0/000.p/02", b"a" * 32 + b"b" * 32, False),
        ("tile/0/000.p/2", b"b" * 64, False),
        ("tile/0/000.p/0", b"", False),
        ("tile/0/000", b"a" * 32, False),
        ("tile/0/001.p/1", b"a" * 32, False),
        ("tile/entries/000.p/1", b"\x00\x01x", True),
        ("tile/entries/000.p/2", b"\x00\x01x", False),
        ("tile/entries/000.p/1", b"\x00\x01", False),
        ("tile/entries/000.p/0", b"", False),
        ("tile/entries/000.p/x", b"", False),
    ],
)
def test_a_tile_of_a_smaller_log_is_a_part_of_the_one_now(path: str, content: bytes, *, is_one: bool) -> None:
    tiles = {"tile/0/000": b"a" * 32 + b"b" * 32 + b"c" * 32, "tile/entries/000": b"\x00\x01x\x00\x01y"}
    assert is_earlier(path, content, tiles) == is_one
