"""Ports for servers of tests that stop and start again."""

from __future__ import annotations

import socket
import sys
from typing import Final

from streams.embedded_kafka.free_ports import HOST, free_port

_reserved: Final[list[socket.socket]] = []


def reserved_port() -> int:
    """Return a port that stays with the caller until this process ends, also while its server is stopped.

    A port that is only free may become the source of a connection, or another test's port, before its server binds it.
    Linux gives a port that is bound to nobody else, and yet lets a server bind it that asks for the reuse of addresses,
    as all of ours do. Elsewhere such a server could not, so the port is only free.
    """
    if sys.platform != "linux":
        return free_port()
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind((HOST, 0))
    _reserved.append(reserved)
    return int(reserved.getsockname()[1])
