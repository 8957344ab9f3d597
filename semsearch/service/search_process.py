"""A process that searches for a service: searches compute, mostly in Python, and threads of one process take turns.

    python -m semsearch.service.search_process DESCRIPTOR

DESCRIPTOR: the socket on which this process hears from the one that started it, with which it ends.

Where there is one that has done all imports, it is forked from that one instead, as `forking` says.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from semsearch import subprocesses
from semsearch.embedding import kept_models
from semsearch.errors import SemsearchError
from semsearch.service.forking import ForkedProcess, Forks, Model
from semsearch.service.open_indexes import OpenIndexes, SharedModels, Where
from semsearch.service.responses import as_told

Answer = TypeVar("Answer")

_SECONDS_TO_END = 5.0


class SearchProcess:
    """Does what `OpenIndexes.run` does, in a process that is started when there is something to do.

    `where`: the indexes. `announce` hears what that process has to tell. `forks` starts it, where that can be.
    """

    def __init__(self, where: Where, announce: Callable[[str], None], forks: Forks | None = None) -> None:
        self._where = where
        self._announce = announce
        self._forks = forks
        self._process: subprocess.Popen[bytes] | ForkedProcess | None = None
        self._connection: Connection | None = None
        # What the process that forked it was to have open.
        self._shared: tuple[Model, ...] = ()

    def run(self, work: Callable[[OpenIndexes], Answer]) -> Answer:
        """What `work` returns or raises there; it and that go through pickle. Raises `SemsearchError` where the process
        comes to its end meanwhile; another one is started for the next."""
        try:
            kind, told = self._exchange(work)
        except (EOFError, ConnectionError):
            status = self._end()
            raise SemsearchError(
                f"the process that searched ended unexpectedly ({_how(status)})", "ask again", code="search_process"
            ) from None
        except BaseException:
            self.close()  # its answer may be under way, which is not that to the next question
            raise
        if kind == "error":
            raise told
        answer: Answer = told
        return answer

    def _exchange(self, work: Callable[[OpenIndexes], object]) -> tuple[str, Any]:
        """What the process has to say to `work`: "answer" or "error", and which. Passes on what it tells meanwhile.

        One that opened a model for itself is ended then: the next one shares it.
        """
        if self._connection is not None and self._connection.poll():
            self._end()  # it was killed meanwhile, as it says nothing unasked
        connection = self._connection or self._start()
        connection.send(work)
        opened: set[Model] = set()
        while True:
            kind, told = connection.recv()
            if kind == "opened":
                opened.add(told)
            elif kind == "notice":
                with contextlib.suppress(OSError):  # nobody reads the log any more: that is not the client's loss
                    self._announce(told)
            else:
                break
        if isinstance(self._process, ForkedProcess) and self._forks is not None and not opened.issubset(self._shared):
            self._forks.add(opened)
            self._end()
        return kind, told

    def close(self) -> None:
        """Ends the process. One that still searches is not waited for longer than a few seconds."""
        if self._process is not None:
            self._end()

    def _start(self) -> Connection:
        self._process, ours = self._forked() or self._spawned()
        self._connection = Connection(ours.detach())
        self._connection.send(self._where)
        return self._connection

    def _forked(self) -> tuple[ForkedProcess, socket.socket] | None:
        """(a process, the socket on which it answers); None where none can be forked."""
        if self._forks is None:
            return None
        self._shared = self._forks.models
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                return self._forks.start(theirs), ours
            except OSError:  # whoever forks is gone, or cannot now
                ours.close()
                return None
            except BaseException:
                ours.close()
                raise

    def _spawned(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        """(a process with an interpreter of its own, the socket on which it answers)."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                return (
                    subprocesses.start(
                        __name__, [str(theirs.fileno())], {}, pass_fds=[theirs.fileno()], stdout=subprocess.DEVNULL
                    ),
                    ours,
                )
            except BaseException:
                ours.close()
                raise

    def _end(self) -> int:
        """The exit status of the process, which has no connection any more."""
        assert self._process is not None and self._connection is not None
        process, self._process = self._process, None
        self._connection.close()
        self._connection = None
        try:
            return process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def _how(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"


def answer(descriptor: int) -> None:
    """Does what comes on the socket `descriptor` until its other end is closed: what such a process is for."""
    # Whoever started it says when it ends: systemd sends SIGTERM to all, while answers are still on their way.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with Connection(descriptor) as connection:
        try:
            _answer(connection)
        except (EOFError, ConnectionError):
            return


def _answer(connection: Connection) -> None:
    def announce(message: str) -> None:
        connection.send(("notice", message))

    kept_models.on_open = lambda folder, name: connection.send(("opened", (folder, name)))
    indexes = OpenIndexes(connection.recv(), SharedModels(), announce)
    while True:
        work: Callable[[OpenIndexes], object] = connection.recv()
        try:
            connection.send(("answer", indexes.run(work)))
        except Exception as error:  # where nobody hears any more, that cannot be told either
            connection.send(("error", _as_sent(error)))
        del work


def _as_sent(error: Exception) -> Exception:
    """`error` as the service is to hear of it; a defect is told where the service tells of them."""
    told = as_told(error)
    if told.code == "internal":
        return RuntimeError(f"{type(error).__name__}: {error}")
    return told.with_traceback(None)


if __name__ == "__main__":
    answer(int(sys.argv[1]))
