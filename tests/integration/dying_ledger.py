"""Follows topics with the penalty ledger and kills its own process at a commit, as `kill -9` would.

`python -m tests.integration.dying_ledger before|after NUMBER BROKERS DATABASE TOPIC…` dies immediately before or after
the commit of that number; with fewer commits it ends at the end of the topics.
"""

import os
import signal
import sys
from typing import Any

import penalty_ledger

from sop_client import Connection, Inbox

BATCH = 10


class MortalConnection:
    """A connection to a database that does not survive one of its commits."""

    def __init__(self, connection: Connection, *, dies: str, at: int) -> None:
        self._connection = connection
        self._dies = dies
        self._left = at

    def cursor(self) -> Any:
        return self._connection.cursor()

    def commit(self) -> None:
        self._left -= 1
        if self._left == 0 and self._dies == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        self._connection.commit()
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def rollback(self) -> None:
        self._connection.rollback()


def main(dies: str, at: str, brokers: str, database: str, *topics: str) -> None:
    connection, paramstyle = penalty_ledger.connect(database)
    marker = "?" if paramstyle == "qmark" else "%s"
    Inbox(connection, paramstyle=paramstyle).create_tables()
    penalty_ledger.Ledger(connection, marker).create_tables()
    mortal = MortalConnection(connection, dies=dies, at=int(at))
    inbox, ledger = Inbox(mortal, paramstyle=paramstyle), penalty_ledger.Ledger(mortal, marker)
    with penalty_ledger.kafka_consumer(brokers, "dying-ledger") as consumer:
        penalty_ledger.follow(consumer, [*topics], inbox, ledger, until_end=True, batch=BATCH)


if __name__ == "__main__":
    main(*sys.argv[1:])
