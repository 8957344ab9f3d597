"""TLS before a PostgreSQL server that has none: the connection to the client is encrypted as its protocol has it."""

import contextlib
import select
import socket
import ssl
import struct
import threading
from pathlib import Path

from tests.support.loopback_listener import LoopbackListener

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)


class TlsProxy(LoopbackListener):
    """Passes on at `port` what goes to and comes from `server_port`, encrypted with `certificate` and its `key`."""

    def __init__(self, server_port: int, certificate: Path, key: Path) -> None:
        super().__init__()
        self._server_port = server_port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        # How many connections were encrypted.
        self.encrypted = 0

    def serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            if client.recv(8) != _SSL_REQUEST:
                return
            client.sendall(b"S")
            with (
                self._context.wrap_socket(client, server_side=True) as inside,
                socket.create_connection(("127.0.0.1", self._server_port)) as server,
            ):
                self.encrypted += 1
                # Small enough for a server that answers what it is asked: both never wait for each other to read.
                inside.settimeout(0.005)
                # OpenSSL's connections are not for two threads at once.
                lock = threading.Lock()
                back = threading.Thread(target=_pass_on, args=(server, inside, lock), daemon=True)
                back.start()
                _pass_on(inside, server, lock)
                server.shutdown(socket.SHUT_RDWR)
                back.join()


def _pass_on(source: socket.socket, target: socket.socket, lock: threading.Lock) -> None:
    """Passes on what `source` sends until it ends; the encrypted one of the two is used under `lock` alone."""
    with contextlib.suppress(OSError, ValueError):
        while True:
            if not (isinstance(source, ssl.SSLSocket) and source.pending()):
                select.select([source], [], [], 1)
            try:
                with lock if isinstance(source, ssl.SSLSocket) else contextlib.nullcontext():
                    data = source.recv(1 << 16)
            except TimeoutError:
                continue
            if not data:
                return
            while data:
                try:
                    with lock if isinstance(target, ssl.SSLSocket) else contextlib.nullcontext():
                        sent = target.send(data)
                    data = data[sent:]
                except TimeoutError:
                    continue
