"""State as it was at one moment, packed bit by bit while it changes: objects are packed before they change."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, MutableMapping
from typing import Generic, TypeVar

Id = TypeVar("Id", bound=Hashable)
T = TypeVar("T")


class Snapshot(Generic[Id, T]):
    """A copy-on-write snapshot of `objects` by id; `key` returns the key of an id, `pack` the bytes of an object.

    Packing thousands at once would stop the stream for as long as a hundred small transactions take.
    """

    def __init__(self, objects: Mapping[Id, T], key: Callable[[Id], str], pack: Callable[[T], bytes]) -> None:
        self._objects, self._key, self._pack = objects, key, pack
        self._left: set[Id] = set()
        self._blobs: MutableMapping[str, bytes | None] = {}

    def begin(self, ids: set[Id], blobs: MutableMapping[str, bytes | None]) -> None:
        """Start to pack the objects of `ids` as they are now into `blobs`, by key; the last snapshot is complete."""
        self._left, self._blobs = ids, blobs

    def before_change(self, ids: Iterable[Id]) -> None:
        """Pack the objects that are about to change, unless they are packed already."""
        if self._left:
            for each in self._left.intersection(ids):
                self._left.discard(each)
                self._add(each)

    def advance(self, count: int) -> int:
        """Pack up to `count` more objects; return how many were packed."""
        chunk = min(count, len(self._left))
        for _ in range(chunk):
            self._add(self._left.pop())
        return chunk

    @property
    def complete(self) -> bool:
        """Whether all objects are packed."""
        return not self._left

    def _add(self, each: Id) -> None:
        self._blobs[self._key(each)] = self._pack(self._objects[each])
