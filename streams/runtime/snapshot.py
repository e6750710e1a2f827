"""State as it was at one moment, packed by and by while work on it goes on: what is to change is packed before."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, MutableMapping
from typing import Generic, TypeVar

Id = TypeVar("Id", bound=Hashable)
T = TypeVar("T")


class Snapshot(Generic[Id, T]):
    """A copy-on-write snapshot of objects of one kind.

    To pack thousands at once would stop the stream for as long as a hundred small transactions take.
    """

    def __init__(self, objects: Mapping[Id, T], key: Callable[[Id], str], pack: Callable[[T], bytes]) -> None:
        """Take the objects by id, what makes an id a key, and an object bytes."""
        self._objects, self._key, self._pack = objects, key, pack
        self._left: set[Id] = set()
        self._blobs: MutableMapping[str, bytes | None] = {}

    def begin(self, ids: set[Id], blobs: MutableMapping[str, bytes | None]) -> None:
        """Take the moment: the objects of these ids as they are now become blobs by key. The last one is complete."""
        self._left, self._blobs = ids, blobs

    def before_change(self, ids: Iterable[Id]) -> None:
        """Pack what is still to be packed of objects that may change now."""
        if self._left:
            for each in self._left.intersection(ids):
                self._left.discard(each)
                self._add(each)

    def advance(self, count: int) -> int:
        """Pack so many more, as far as there are; return how many it were."""
        chunk = min(count, len(self._left))
        for _ in range(chunk):
            self._add(self._left.pop())
        return chunk

    @property
    def complete(self) -> bool:
        """Whether all is packed."""
        return not self._left

    def _add(self, each: Id) -> None:
        self._blobs[self._key(each)] = self._pack(self._objects[each])
