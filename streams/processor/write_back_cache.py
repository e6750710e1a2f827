"""A write-back cache for objects of one kind: dirty objects stay until they are saved, clean ones may be evicted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, MutableMapping
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

from streams.runtime.snapshot import Snapshot

T = TypeVar("T")


class Format(NamedTuple, Generic[T]):
    """How an object is written to the store and read from it."""

    pack: Callable[[T], bytes]
    unpack: Callable[[bytes], T]


class WriteBackCache(Generic[T]):
    """Objects by id, the least recently changed first, in a dictionary that the agents use.

    `key` returns the key in the store for an id. An object is in one of three places: in the dictionary; packed, if it
    is dirty and too many are; or packed and being saved.
    """

    def __init__(self, objects: dict[str, T], form: Format[T], key: Callable[[str], str]) -> None:
        self.dirty: set[str] = set()
        """Ids of the objects that changed since the last `freeze`."""
        self.snapshot = Snapshot(objects, key, form.pack)
        self.unpack = form.unpack
        self._objects, self._form, self._key = objects, form, key
        self._packed: dict[str, bytes] = {}
        self._saving: dict[str, bytes] = {}
        self._removed: set[str] = set()
        """Ids of removed objects that are still in the store."""
        self._removing: set[str] = set()
        """Ids of removed objects whose deletion is being saved."""

    @property
    def changed(self) -> bool:
        """Whether an object changed or was removed since the last `freeze`."""
        return bool(self.dirty or self._removed)

    def ids(self) -> list[str]:
        """Return the ids of all objects that are here, packed or not."""
        return [*dict.fromkeys((*self._objects, *self._packed, *self._saving))]

    def missing(self, ids: Iterable[str]) -> list[str]:
        """Unpack the objects that are kept packed; return the ids that have to be loaded from the store."""
        absent = [each for each in ids if each not in self._objects]
        for packed in filter(None, (self._packed, self._saving)):
            for each in absent:
                if each in packed:
                    self.add(each, packed.pop(each))
        removed = self._removed | self._removing
        return [each for each in absent if each not in self._objects and each not in removed]

    def add(self, id_: str, blob: bytes) -> None:
        """Add an object as loaded from the store."""
        self._objects[id_] = self.unpack(blob)

    def mark_dirty(self, ids: Collection[str]) -> None:
        """Mark objects as changed, and as the most recently used."""
        self.dirty.update(ids)
        self._removed.difference_update(ids)
        for each in sorted(ids):
            self._objects[each] = self._objects.pop(each)

    def remove(self, id_: str) -> None:
        """Remove an object; the next save deletes it from the store."""
        self.snapshot.before_change([id_])
        del self._objects[id_]
        self.dirty.discard(id_)
        self._removed.add(id_)

    def freeze(self, blobs: MutableMapping[str, bytes | None]) -> None:
        """Begin a snapshot of the dirty objects, as blobs by key (None: removed); they count as clean from here on."""
        dirty, self.dirty = self.dirty, set()
        self._saving, self._packed = self._packed, {}
        self._removing, self._removed = self._removed, set()
        blobs.update((self._key(each), None) for each in self._removing)
        blobs.update((self._key(each), blob) for each, blob in self._saving.items())
        self.snapshot.begin(dirty.difference(self._saving), blobs)

    def pack_dirty(self, objects_max: int, slack: int, in_use: Collection[str]) -> None:
        """Pack the dirty objects beyond `objects_max` once they exceed it by `slack`, except those in use."""
        unpacked = len(self.dirty) - len(self._packed)
        if unpacked < objects_max + slack:
            return
        packable = (each for each in self._objects if each in self.dirty and each not in in_use)
        chosen = list(islice(packable, unpacked - objects_max))
        self.snapshot.before_change(chosen)
        for each in chosen:
            self._packed[each] = self._form.pack(self._objects.pop(each))

    def evict(self, objects_max: int, first: Collection[str] = ()) -> list[str]:
        """Drop clean objects: the ids in `first`, then all beyond `objects_max`; return the ids that were dropped.

        Call it when everything frozen is saved.
        """
        unwanted = [each for each in first if each in self._objects and each not in self.dirty]
        for each in unwanted:
            del self._objects[each]
        excess = max(len(self._objects) - objects_max, 0)
        dropped = list(islice((each for each in self._objects if each not in self.dirty), excess))
        for each in dropped:
            del self._objects[each]
        dropped[:0] = (*unwanted, *self._saving)
        self._saving.clear()
        self._removing.clear()
        return dropped
