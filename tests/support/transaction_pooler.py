"""A pooler in transaction mode, as PgBouncer is one: each transaction of a client may get another session.

It speaks as much of PostgreSQL's protocol (postgresql.org/docs/current/protocol) as that takes: it reads the types and
lengths of messages, and lets go of a session when the server says that no transaction is open.
"""

import contextlib
import selectors
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from tests.support.loopback_listener import LoopbackListener
from tests.support.postgres_server import SUPERUSER, PostgresServer

_SSL_REQUEST, _GSS_REQUEST, _CANCEL_REQUEST = 80877103, 80877104, 80877102
_PROTOCOL = 3 << 16


class TransactionPooler(LoopbackListener):
    """Sessions of `server` in `database`, given out by turns at `port`; no password is asked for."""

    def __init__(self, server: PostgresServer, database: str) -> None:
        super().__init__()
        self._server = server
        self._database = database
        self._idle: deque[_Session] = deque()
        self._lock = threading.Lock()
        # How often a client got another session than for its transaction before.
        self.changes = 0

    def __enter__(self) -> Self:
        # Never one alone, lest a client always gets the same.
        self._idle.extend(_Session(self._server, self._database) for _ in range(3))
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        for session in self._idle:
            session.socket.close()

    def url(self, schema: str = "semsearch") -> str:
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/{self._database}?schema={schema}"

    def ask_all(self, statement: str) -> set[str]:
        """What each idle session answers to `statement`, which gives one text."""
        return {session.ask(statement) for session in self._idle}

    def serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(ConnectionError, EOFError):
            stream = _Stream(client)
            if not _greeted(stream):
                return
            with self._lock:
                parameters = self._idle[0].parameters
            # The number of a process of the server that is none.
            key = b"K" + struct.pack("!iii", 12, 2**30, 1)
            client.sendall(b"R" + struct.pack("!ii", 8, 0) + parameters + key + b"Z" + struct.pack("!i", 5) + b"I")
            before = None
            while True:
                first = stream.message()
                if first[:1] == b"X":
                    return
                session = self._take()
                self.changes += before is not None and session is not before
                before = session
                try:
                    session.transaction(stream, first)
                except BaseException:
                    session.socket.close()
                    raise
                with self._lock:
                    self._idle.append(session)

    def _take(self) -> "_Session":
        with self._lock:
            if len(self._idle) > 1:
                return self._idle.popleft()
        return _Session(self._server, self._database)


class _Session:
    """A connection to the server. `parameters`: what it says of itself, for clients."""

    def __init__(self, server: PostgresServer, database: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(f"{server.folder}/.s.PGSQL.{server.port}")  # asks for no password
        pairs = ("user", SUPERUSER, "database", database, "client_encoding", "UTF8")
        body = struct.pack("!i", _PROTOCOL) + b"".join(one.encode() + b"\0" for one in pairs) + b"\0"
        self.socket.sendall(struct.pack("!i", len(body) + 4) + body)
        self._stream = _Stream(self.socket)
        self.parameters = b""
        for message in self._answers():
            if message[:1] == b"S":
                self.parameters += message

    def ask(self, statement: str) -> str:
        """The one value that `statement` gives."""
        body = statement.encode() + b"\0"
        self.socket.sendall(b"Q" + struct.pack("!i", len(body) + 4) + body)
        (row,) = (message for message in self._answers() if message[:1] == b"D")
        return row[11:].decode()

    def transaction(self, client: "_Stream", first: bytes) -> None:
        """Passes messages on, beginning with `first` of the `client`, until the server is idle."""
        count = int(first[:1] in (b"Q", b"S"))
        self.socket.sendall(first)
        with selectors.DefaultSelector() as selector:
            selector.register(client.socket, selectors.EVENT_READ, client)
            selector.register(self.socket, selectors.EVENT_READ, self._stream)
            while True:
                while message := client.next():
                    if message[:1] == b"X":
                        raise EOFError
                    count += message[:1] in (b"Q", b"S")
                    self.socket.sendall(message)
                while message := self._stream.next():
                    client.socket.sendall(message)
                    if message[:1] == b"Z":
                        count -= 1
                        if not count and message[5:] == b"I":
                            return
                # Never for one side alone: the server may send the rest of a message after the client's next one.
                for key, _ in selector.select():
                    key.data.receive()

    def _answers(self) -> Iterator[bytes]:
        """The messages of the server until it is ready."""
        while (message := self._stream.message())[:1] != b"Z":
            assert message[:1] != b"E", message
            yield message


class _Stream:
    """The messages that come from `socket`: a letter, a length, a body."""

    def __init__(self, socket: socket.socket) -> None:
        self.socket = socket
        self._data = bytearray()

    def receive(self) -> None:
        """Takes what is there, or waits for more."""
        piece = self.socket.recv(1 << 16)
        if not piece:
            raise EOFError
        self._data += piece

    def next(self) -> bytes:
        """The next message, or nothing where it is not all there."""
        if len(self._data) < 5:
            return b""
        size = 1 + struct.unpack("!i", self._data[1:5])[0]
        return self.exactly(size) if len(self._data) >= size else b""

    def message(self) -> bytes:
        """The next message."""
        while not (message := self.next()):
            self.receive()
        return message

    def exactly(self, size: int) -> bytes:
        """The next `size` bytes."""
        while len(self._data) < size:
            self.receive()
        data = bytes(self._data[:size])
        del self._data[:size]
        return data


def _greeted(client: _Stream) -> bool:
    """Whether the client wants a session, and does not cancel a statement."""
    while True:
        (size,) = struct.unpack("!i", client.exactly(4))
        (code,) = struct.unpack("!i", client.exactly(size - 4)[:4])
        if code == _CANCEL_REQUEST:
            return False
        if code not in (_SSL_REQUEST, _GSS_REQUEST):
            return True
        client.socket.sendall(b"N")
