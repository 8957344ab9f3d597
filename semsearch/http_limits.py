"""Bounds on what a server sends: how many bytes, and how long all of it may take.

HTTP libraries bound neither: their time limits are for one read, and a server that sends a byte a minute, or a body
without an end, holds a run for ever. Nothing compressed is asked for, so that few bytes cannot become many, and no
redirect is followed, so that nobody else gets the texts and the key.
"""

import queue
import socket
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, TypeVar

from semsearch.stopwatch import Stopwatch

T = TypeVar("T")

_LOOK_SECONDS = 0.25
_MOST_WAITING = 64


_look: ContextVar[Callable[[], object]] = ContextVar("_look", default=lambda: None)


class Abandoned(BaseException):
    """Nobody waits for the answer any more. No `Exception`: nothing makes an error of the server of it."""


@contextmanager
def looking(look: Callable[[], object]) -> Iterator[None]:
    """While it is open, `look` is called a few times a second where this thread waits for a server; what it raises,
    such as `Abandoned`, ends that."""
    token = _look.set(look)
    try:
        yield
    finally:
        _look.reset(token)


class TooLongError(Exception):
    """The server sends more bytes than any answer has."""


class TooSlowError(Exception):
    """The server has not sent all of its answer in time."""


class Connections:
    """The connections that a client made, to be cut while another thread waits for their other end.

    Closing them would not do: what waits in a read goes on waiting, and the server is told nothing.
    """

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []

    def watch(self, request: Any) -> None:
        """Hears of the connection that is made for `request`, of httpx or httpx2."""
        request.extensions["trace"] = self._hear

    def _hear(self, event: str, told: dict[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._sockets.append(told["return_value"].get_extra_info("socket"))

    @contextmanager
    def cut_where_abandoned(self) -> Iterator[None]:
        """Ends all of them, at both ends, where `Abandoned` is raised in it: else the server would go on."""
        try:
            yield
        except Abandoned:
            for one in self._sockets:
                with suppress(OSError):  # it is closed, or became one with encryption
                    one.shutdown(socket.SHUT_RDWR)
            raise


def client_options(most_bytes: int, connections: Connections | None = None) -> dict[str, Any]:
    """Arguments for `httpx.Client`, or `httpx2.Client`: bodies of more than `most_bytes` raise `TooLongError`.

    `connections` hears of those that are made.
    """

    def bound(response: Any) -> None:
        # Subclasses of what the library asks for, whichever of the two it is.
        library = sys.modules[type(response).__module__.partition(".")[0]]
        response.stream = _bounded_stream(library.SyncByteStream, response.stream, most_bytes)
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
            raise TooLongError("a compressed answer, which nobody asked for")

    return {
        "event_hooks": {"response": [bound], "request": [] if connections is None else [connections.watch]},
        "headers": {"accept-encoding": "identity"},
        "follow_redirects": False,
    }


def _bounded_stream(base: type, stream: Any, most_bytes: int) -> Any:
    class BoundedStream(base):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            return bounded(stream, most_bytes)

        def close(self) -> None:
            stream.close()

    return BoundedStream()


def bounded(parts: Any, most_bytes: int) -> Iterator[bytes]:
    """`parts`, byte strings, as long as they have no more than `most_bytes` together. Raises `TooLongError`."""
    size = 0
    for part in parts:
        size += len(part)
        if size > most_bytes:
            raise TooLongError(f"more than {most_bytes:,} bytes")
        yield part


def within(watch: Stopwatch, seconds: float, call: Callable[[], T]) -> T:
    """What `call()` returns, or raises; `TooSlowError` where `watch` shows more than `seconds` before that."""
    return next(items_within(watch, seconds, lambda: iter([call()])))


def items_within(watch: Stopwatch, seconds: float, source: Callable[[], Iterator[T]]) -> Generator[T, None, None]:
    """The items of `source()`. Raises what it raises, and `TooSlowError` where `watch` shows more than `seconds`.

    They are fetched in a thread of its own, for a read can wait in places that no time limit of the library covers. One
    that is late is left behind: it ends with its connection, or with the process.
    """
    fetched: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(_MOST_WAITING)
    abandoned = threading.Event()

    def put(item: T | None, error: BaseException | None) -> None:
        while not abandoned.is_set():
            try:
                fetched.put((item, error), timeout=_LOOK_SECONDS)
                return
            except queue.Full:
                continue

    def fetch() -> None:
        try:
            for item in source():
                put(item, None)
                if abandoned.is_set():
                    return
            put(None, StopIteration())
        except BaseException as error:  # all of it is raised where the items are taken
            put(None, error)

    threading.Thread(target=fetch, daemon=True).start()
    try:
        while True:
            _look.get()()
            if watch.seconds() > seconds:
                raise TooSlowError
            try:
                item, error = fetched.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                continue
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]
    finally:
        abandoned.set()
