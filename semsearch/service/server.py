"""Runs an application until a signal says to stop; slow, idle and too many connections are let go."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from semsearch.inherited import allow_connections

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_MOST_CONNECTIONS = 4096
# Bytes of a request line with its headers.
_MOST_HEADER_BYTES = 16 * 1024
# A head of a request that has begun must come whole within so many seconds; between two requests more may pass.
_HEAD_SECONDS = 10.0
_IDLE_SECONDS = 300
# Answers that are on their way when the service is to end.
_LAST_SECONDS = 3


class Server(uvicorn.Server):
    """Runs `app` on `listening`; `run` returns after a signal, or when `should_exit` is set."""

    def __init__(self, app: ASGIApp, listening: socket.socket) -> None:
        allow_connections(_MOST_CONNECTIONS)
        # Of requests that make no sense, and of clients that are gone; what is wrong here is told by the application.
        logging.getLogger("uvicorn").addHandler(logging.NullHandler())
        logging.getLogger("uvicorn").propagate = False
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio",
                http=_Protocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=_MOST_CONNECTIONS,
                timeout_keep_alive=_IDLE_SECONDS,
                timeout_graceful_shutdown=_LAST_SECONDS,
                h11_max_incomplete_event_size=_MOST_HEADER_BYTES,
            )
        )
        self._listening = listening

    def run_until_signal(self) -> None:
        """Answers until SIGTERM, SIGINT or SIGHUP, then until what is on its way has come to its end, for seconds."""
        self.run([self._listening])

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ends the service at a signal. The process goes on and ends as its command says, not by the signal again."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        ending = [one for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if _is_heard(one)]
        for number in ending:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in ending:
                loop.remove_signal_handler(number)


def _is_heard(number: int) -> bool:
    """Whether a signal is not ignored, as nohup makes it be."""
    return signal.getsignal(number) != signal.SIG_IGN


class _Protocol(H11Protocol):
    """HTTP/1.1 that does not wait for ever: for a head that has begun, and for the first request of a connection."""

    _head_timer: asyncio.TimerHandle | None = None
    _head_has_begun = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(_IDLE_SECONDS, transport.close)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        begun = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
        if begun and self._head_has_begun:
            return  # a byte now and then is no progress
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        self._head_has_begun = begun
        if begun:
            self._head_timer = self.loop.call_later(_HEAD_SECONDS, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        super().connection_lost(exc)
