"""Ports of this machine that servers of our own listen on."""

import socket
from typing import Final

HOST: Final = "127.0.0.1"
PROBE_S: Final = 1.0


def free_port() -> int:
    """Return a port that nobody listens on by now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    """Tell whether somebody listens on a port."""
    with socket.socket() as probe:
        probe.settimeout(PROBE_S)
        return probe.connect_ex((HOST, port)) == 0
