"""What listens on the loopback and serves each connection in a thread of its own; ports where nobody answers."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self


class LoopbackListener:
    """Listens at `port` while it is entered."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.close()

    def serve(self, client: socket.socket) -> None:
        """Serves one connection, and closes it."""
        raise NotImplementedError

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                if self._listening.fileno() < 0:  # closed
                    return
                continue  # a client that went away before it was served
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()


@contextmanager
def free_port() -> Iterator[int]:
    """A port at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        yield free.getsockname()[1]


@contextmanager
def silent_port() -> Iterator[int]:
    """A port at which somebody listens and never says anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        yield silent.getsockname()[1]
