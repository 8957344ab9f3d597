"""Asks a process that has imported what searches need, and keeps their models open, for forks of it: what it has is in
memory once for all of them."""

from __future__ import annotations

import errno
import json
import signal
import socket
import subprocess
from collections.abc import Iterable

from semsearch.embedding import kept_models

# Longer than it takes to open a model first.
_SECONDS_TO_START = 30.0
_STATUS_BYTES = 4
STARTED = b"s"
MAX_MESSAGE_BYTES = 1 << 16

# (folder, name) of a prepared model, as in `semsearch.embedding.kept_models`.
Model = tuple[str, str]


class Forks:
    """Has processes forked by the one at the other end of `control`, which must be of type SOCK_SEQPACKET.

    A message to it has the models that it is to keep open, as JSON, and two descriptors: the connection of the new
    process, and a socket on which it says `STARTED` and, at the end, the exit status of that process, which it ends
    when the other end of that socket is closed.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        # In the order in which they were told.
        self.models: tuple[Model, ...] = ()

    def add(self, models: Iterable[Model]) -> None:
        """Has `models` open in processes that are started from now on, or the last ones, where they are too many."""
        self.models = tuple(dict.fromkeys((*self.models, *models)))

    def start(self, connection: socket.socket) -> ForkedProcess:
        """A process that answers on `connection`. Raises `OSError` where none is to be had."""
        # More would drive each other out.
        message = json.dumps(self.models[-kept_models.MOST :]).encode()
        if len(message) > MAX_MESSAGE_BYTES:
            raise OSError(errno.EMSGSIZE, "the names of models are too long")
        reports, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._control, [message], [connection.fileno(), theirs.fileno()])
            reports.settimeout(_SECONDS_TO_START)
            if reports.recv(1) != STARTED:
                raise ConnectionError("no process was started")
        except BaseException:
            reports.close()
            raise
        return ForkedProcess(reports)


class ForkedProcess:
    """A process that `Forks` started. `reports`: where its end is heard of."""

    def __init__(self, reports: socket.socket) -> None:
        self._reports = reports

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, as of `subprocess.Popen`; to be called until it gives one. Raises `TimeoutExpired`."""
        if self._reports.fileno() < 0:
            return -signal.SIGKILL
        self._reports.settimeout(timeout)
        try:
            status = self._reports.recv(_STATUS_BYTES)
        except TimeoutError:
            raise subprocess.TimeoutExpired("a search", timeout or 0) from None
        except ConnectionError:
            status = b""
        self._reports.close()
        # The process that forked it is gone, with which it ends.
        return int.from_bytes(status, "big", signed=True) if status else -signal.SIGKILL

    def kill(self) -> None:
        """Has it killed; `wait` does not wait for that, as the process that does it may hang."""
        self._reports.close()
