"""The keys of persons, each wrapped by a master key, in a SQLite file beside the archive, not in it.

An archive is copied to where nothing can be deleted; a key has to be. The file says nothing about anybody without the
master key: persons are there as keyed hashes. Only ids of cases are readable.
"""

from __future__ import annotations

import hmac
import os
import secrets
import sqlite3
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from schemas.errors import Fatal, UsageError
from streams.config.settings import Settings
from streams.files.private import write_private_file
from streams.runtime.ports import TP
from streams.sealing.people import NOBODY, case, is_customer

MASTER_BYTES: Final = 32
NEVER, FOR_EVER = -(1 << 63), 1 << 62
BUSY_TIMEOUT_S: Final = 30.0

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS master (proof BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS keys (key_id TEXT PRIMARY KEY, person BLOB NOT NULL UNIQUE, wrapped BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS cases (person BLOB, case_id TEXT, PRIMARY KEY (person, case_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS erased (person BLOB PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS positions (
    topic TEXT, partition INTEGER, topic_id TEXT NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
"""


class PersonKey:
    """The key of a person, with its id in the archive."""

    def __init__(self, key_id: str, key: bytes) -> None:
        self.id: Final = key_id
        self.cipher: Final = AESSIV(key)


class PersonKeys:
    """The keys in a file, under a master key; what is done in a `changing` block is done as a whole.

    Raises `UsageError` if the file cannot be used or belongs to another master key, `Fatal` if it fails later.
    """

    def __init__(self, path: str, master: bytes) -> None:
        self._path = path
        self._wrapping = AESSIV(_derived(master, b"wrap", 64))
        self._naming = _derived(master, b"name", 32)
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._database = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            self._database.execute("PRAGMA secure_delete = ON")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise UsageError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
        self._check_master()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _check_master(self) -> None:
        proof = self._name("master key")
        with self.changing():
            known = self._database.execute("SELECT proof FROM master").fetchone()
            if known is None:
                self._database.execute("INSERT INTO master VALUES (?)", (proof,))
        if known is not None and known[0] != proof:
            self.close()
            raise UsageError(f"{self._path}: it belongs to another master key")

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Make changes that are all on the disk afterwards, or none is."""
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise Fatal(f"{self._path}: {error}") from error

    def erased_until(self, person: str) -> int:
        """Return until which instant (ms) nothing is kept of a person; `NEVER` if they were not erased."""
        return self._erased_until(self._name(person))

    def key_of(self, person: str) -> PersonKey:
        """Return the key of a person, a new one if there is none."""
        name = self._name(person)
        found = self._database.execute("SELECT key_id, wrapped FROM keys WHERE person = ?", (name,)).fetchone()
        if found is not None:
            return PersonKey(found[0], self._unwrapped(*found))
        key_id, key = secrets.token_hex(8), AESSIV.generate_key(512)
        wrapped = self._wrapping.encrypt(key, [key_id.encode()])
        self._database.execute("INSERT INTO keys VALUES (?, ?, ?)", (key_id, name, wrapped))
        return PersonKey(key_id, key)

    def key(self, key_id: str) -> PersonKey | None:
        """Return the key with an id, None if it was destroyed."""
        try:
            found = self._database.execute("SELECT wrapped FROM keys WHERE key_id = ?", (key_id,)).fetchone()
        except sqlite3.Error as error:
            raise Fatal(f"{self._path}: {error}") from error
        return None if found is None else PersonKey(key_id, self._unwrapped(key_id, found[0]))

    def link(self, person: str, case_id: str, at: int) -> bool:
        """Note that a case has data of a customer or partner, in a record of an instant (ms).

        If the customer was erased since, so is the case; return whether it is.
        """
        name = self._name(person)
        if is_erased := is_customer(person) and at <= self._erased_until(name):
            self._erase(self._name(case(case_id)), FOR_EVER)
        else:
            self._database.execute("INSERT OR IGNORE INTO cases VALUES (?, ?)", (name, case_id))
        return is_erased

    def cases_of(self, person: str) -> Sequence[str]:
        """Return the ids of the cases that have data of a customer or partner."""
        rows = self._database.execute("SELECT case_id FROM cases WHERE person = ? ORDER BY 1", (self._name(person),))
        return [case_id for (case_id,) in rows]

    def move(self, tp: TP, topic_id: str, offset: int) -> None:
        """Note that of a partition of the topic with an id all links are known before an offset; it never goes back."""
        self._database.execute(
            "INSERT INTO positions VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET topic_id = excluded.topic_id,"
            " next = iif(topic_id = excluded.topic_id, max(next, excluded.next), excluded.next)",
            (*tp, topic_id, offset),
        )

    def positions(self) -> Mapping[TP, tuple[str, int]]:
        """Return, of each partition, the id of its topic and before which offset all links are known."""
        rows = self._database.execute("SELECT topic, partition, topic_id, next FROM positions")
        return {TP(topic, partition): (topic_id, offset) for topic, partition, topic_id, offset in rows}

    def erase(self, person: str, case_ids: Sequence[str], at: int) -> int:
        """Destroy the key of a partner, or of the cases of a customer; return how many keys that were.

        With them goes the key of what cannot be attributed, which may be theirs. What is of them, or of nobody, in
        records up to an instant (ms) is not sealed any more but dropped, what is in these cases for ever.
        """
        people = [case(each) for each in case_ids] if is_customer(person) else []
        with self.changing():
            count = self._erase(self._name(person), at) + self._erase(self._name(NOBODY), at)
            count += sum(self._erase(self._name(each), FOR_EVER) for each in people)
            self._database.execute("DELETE FROM cases WHERE person = ?", (self._name(person),))
        return count

    def _erase(self, name: bytes, until: int) -> int:
        self._database.execute(
            "INSERT INTO erased VALUES (?, ?) ON CONFLICT DO UPDATE SET until = max(until, excluded.until)",
            (name, until),
        )
        return self._database.execute("DELETE FROM keys WHERE person = ?", (name,)).rowcount

    def _erased_until(self, name: bytes) -> int:
        found = self._database.execute("SELECT until FROM erased WHERE person = ?", (name,)).fetchone()
        return NEVER if found is None else int(found[0])

    def _name(self, person: str) -> bytes:
        return hmac.digest(self._naming, person.encode(errors="surrogatepass"), "sha256")

    def _unwrapped(self, key_id: str, wrapped: bytes) -> bytes:
        try:
            return self._wrapping.decrypt(wrapped, [key_id.encode()])
        except InvalidTag:
            raise Fatal(f"{self._path}: key {key_id} is damaged") from None


@contextmanager
def person_keys(settings: Settings) -> Iterator[PersonKeys | None]:
    """Give the keys that the settings name, None if they name none; raises `UsageError` if they cannot be used."""
    if not (settings.audit_master_key_file or settings.audit_person_keys):
        yield None
        return
    if not (settings.audit_master_key_file and settings.audit_person_keys):
        raise UsageError("SOP_AUDIT_MASTER_KEY_FILE and SOP_AUDIT_PERSON_KEYS: set both, or none")
    with closing(PersonKeys(settings.audit_person_keys, read_master_key(settings.audit_master_key_file))) as keys:
        yield keys


def make_master_key(path: str) -> None:
    """Write a new master key to a file that only its owner may read; raises `UsageError` if it exists."""
    write_private_file(path, f"{urlsafe_b64encode(secrets.token_bytes(MASTER_BYTES)).decode()}\n")


def read_master_key(path: str) -> bytes:
    """Return the master key in a file; raises `UsageError` if there is none."""
    try:
        master = urlsafe_b64decode(Path(path).read_bytes().strip())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or 'not a master key'}") from error
    if len(master) != MASTER_BYTES:
        raise UsageError(f"{path}: not a master key")
    return master


def _derived(master: bytes, purpose: bytes, length: int) -> bytes:
    """Return a key for one purpose: HMAC-SHA-256 of purpose and a counter, under the master key (SP 800-108)."""
    blocks = (hmac.new(master, bytes([number]) + purpose, sha256).digest() for number in range(1, 1 + -(-length // 32)))
    return b"".join(blocks)[:length]
