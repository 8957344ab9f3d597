"""The socket that a service over HTTP listens on. Light: it is made before the service forks."""

import errno
import ipaddress
import socket

from semsearch.errors import SemsearchError


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on `host` and `port` (0: a free one). Raises `SemsearchError`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a name"
        raise SemsearchError(f"--host {host}: {reason}", "name an address of this machine", code="address") from None
    family, kind, protocol, _, address = found[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(1024)
    except OSError as error:
        listening.close()
        hint = "name an address of this machine"
        if error.errno == errno.EADDRINUSE:
            hint = "another service may be running; name another port with --port, 0 for a free one"
        elif error.errno == errno.EACCES:
            hint = "name a port from 1024 up"
        raise SemsearchError(f"cannot listen on {host}:{port}: {error.strerror}", hint, code="address") from None
    listening.set_inheritable(False)
    return listening


def is_internet(listening: socket.socket) -> bool:
    """Whether `listening` has an address and a port, unlike the socket of the command line."""
    return listening.family in (socket.AF_INET, socket.AF_INET6)


def is_loopback(listening: socket.socket) -> bool:
    """Whether only this machine can reach `listening`, a socket of the internet."""
    return ipaddress.ip_address(listening.getsockname()[0].partition("%")[0]).is_loopback


def url_of(listening: socket.socket) -> str:
    """The address of the page, for people."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"
