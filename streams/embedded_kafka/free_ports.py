"""Finds free ports on the loopback interface, and checks whether one is in use."""

import socket
from typing import Final

HOST: Final = "127.0.0.1"
PROBE_S: Final = 1.0


def free_port() -> int:
    """Return a port that is free at the moment."""
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])


def is_listening(port: int) -> bool:
    """Return whether a server listens on a port."""
    with socket.socket() as probe:
        probe.settimeout(PROBE_S)
        return probe.connect_ex((HOST, port)) == 0
