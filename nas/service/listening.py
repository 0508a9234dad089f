"""Where a server listens, and what it says about that."""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys

from nas.errors import UserError

GRACE = 2
"""Seconds that open requests get when the server ends."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes any free one. UserError: it cannot."""
    if not 0 <= port < 2**16:
        raise UserError(f"cannot listen on port {port}: ports are 0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = "another program listens there" if error.errno == errno.EADDRINUSE else error.strerror
        raise UserError(f"cannot listen on {host}, port {port}: {reason}; choose another --host or --port") from None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def say(line: str) -> None:
    """Print a line on stderr."""
    print(line, file=sys.stderr, flush=True)
