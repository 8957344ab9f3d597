"""Runs commands of the user in processes that have everything imported and the model open: `semsearch serve`.

A command runs in a fork of this process with the client's arguments, environment, working folder and standard streams,
so that it does and prints what it would alone. This process has one thread, as only that survives a fork. What searches
for other clients of the service is forked from it, too.
"""

import contextlib
import ctypes
import errno
import gc
import importlib
import io
import json
import os
import resource
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

from semsearch.cli import service_client, service_socket
from semsearch.embedding import kept_models
from semsearch.errors import SemsearchError
from semsearch.inherited import allow_connections, passed_sockets
from semsearch.no_telemetry import switch_off_telemetry
from semsearch.service.forking import MAX_MESSAGE_BYTES, STARTED, Forks
from semsearch.shortage import shortage_of

# What a search and an answer without a language model import; a test holds it to that.
_IMPORTED = (
    "Stemmer", "faiss", "onnxruntime", "platformdirs", "rapidfuzz.distance", "rapidfuzz.fuzz", "rapidfuzz.process",
    "rich.console", "rich.markup", "rich.text", "sqlite3", "tokenizers", "typer._click.decorators",
    "semsearch.answering.pipeline", "semsearch.answering.question_log", "semsearch.cli.session",
    "semsearch.cli.model_failures", "semsearch.dense.coded_vectors", "semsearch.embedding.cached_embedder",
    "semsearch.embedding.onnx_runtime", "semsearch.embedding.open", "semsearch.embedding.static_runtime",
    "semsearch.retrieval.multi_searcher",
    "semsearch.retrieval.saved_search", "semsearch.retrieval.searcher", "semsearch.store.local.segment_search",
    "semsearch.store.local.store", "semsearch.store.vector_cache",
)  # fmt: skip
# More are not taken; who sends them works alone.
_MAX_CONNECTIONS = 4096
_SECONDS_TO_ASK = 10.0
_SECONDS_TO_END = 5.0
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@contextlib.contextmanager
def listening(passed: Sequence[socket.socket]) -> Iterator[tuple[socket.socket, int]]:
    """(the socket of the service, the descriptor that holds its lock); the socket's name goes at the end.

    Of those that systemd `passed` the one of this kind is taken, and left as it is. Raises `SemsearchError` where a
    service of this user runs already.
    """
    import fcntl

    if not service_socket.IS_SUPPORTED:
        raise SemsearchError("commands are served on Linux only", "leave out --commands-only", code="not_supported")
    folder = service_socket.service_folder()
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    if not service_socket.is_private(folder):
        raise SemsearchError(f"{folder} is not this user's alone", f"remove it, or: chmod 700 {folder}")
    lock = os.open(
        os.path.join(folder, service_socket.LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
    )
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 20, 0).decode(errors="replace").strip()
        os.close(lock)
        raise ServiceRunsError(
            f"a service of this user runs already (process {holder})", f"end it first: kill {holder}"
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    own = [one for one in passed if one.family == socket.AF_UNIX and _is_of_commands(one)]
    if own:
        try:
            yield own[0], lock
        finally:
            os.close(lock)
        return
    path = os.path.join(folder, service_socket.SOCKET)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # of a service that was killed: this one has the lock
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path)
        made.listen(1024)
        try:
            yield made, lock
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            os.close(lock)


def _is_of_commands(raw: socket.socket) -> bool:
    """Whether a UNIX socket has the name of this service's."""
    return os.path.basename(os.fsdecode(raw.getsockname())) == service_socket.SOCKET


@contextlib.contextmanager
def serving_commands(
    idle_seconds: float, passed: Sequence[socket.socket], others: Sequence[socket.socket]
) -> Iterator[tuple[str, Forks | None]]:
    """Serves commands in a process beside this one, which may have no other threads yet, until the block is left.

    Gives what the user is to be told, and what has that process fork others for searches. `idle_seconds`: as in
    `CommandService`; `passed`: as in `listening`; `others`: sockets that are this process's alone. Where a service of
    this user runs already, that one goes on to serve them, and forks nothing for this one.
    """
    with contextlib.ExitStack() as stack:
        try:
            raw, lock = stack.enter_context(listening(passed))
        except SemsearchError as error:
            if not isinstance(error, ServiceRunsError) and service_socket.IS_SUPPORTED:
                raise
            yield error.message, None
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        process = os.fork()
        if process == 0:
            try:
                for one in (ours, *others):
                    one.close()
                CommandService(raw, lock, idle_seconds, theirs).run()
                os._exit(0)
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(1)
        theirs.close()
        told = _where(raw)
        # Where that process is killed, nobody listens: its clients need not wait until they work alone.
        raw.close()
        try:
            yield told, Forks(ours)
        finally:
            ours.close()
            _wait_or_kill(process)


def _wait_or_kill(process: int) -> None:
    """Waits for the end of a child that was told to end, and ends one that hangs."""
    deadline = time.monotonic() + 2 * _SECONDS_TO_END
    while os.waitpid(process, os.WNOHANG)[0] == 0:
        if time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return
        time.sleep(0.01)


def until_signal(idle_seconds: float, announce: Callable[[str], None]) -> None:
    """Serves commands in this process until a signal. Raises `ServiceRunsError`."""
    with listening(passed_sockets()) as (raw, lock):
        service = CommandService(raw, lock, idle_seconds)
        announce(f"{_where(raw)} (Ctrl-C ends it)")
        service.run()


def _where(raw: socket.socket) -> str:
    return f"searches of this user are run here, through {raw.getsockname()}"


class ServiceRunsError(SemsearchError):
    """A service of this user runs already."""

    code = "in_use"


class _Connection:
    """A client. `state`: `asks`, `accepted`, `runs`. `end`: the signal that ends its process."""

    def __init__(self, raw: socket.socket, end: signal.Signals = signal.SIGTERM) -> None:
        self.socket = raw
        self.end = end
        self.state = "asks"
        self.since = time.monotonic()
        self.data = bytearray()
        self.process = 0


class CommandService:
    """Serves the clients of `listening` until SIGTERM, SIGINT or SIGHUP.

    `lock`: the descriptor of its lock. `idle_seconds`: after how long without any command a model is closed.
    `control`: where `Forks` asks for processes that search; when its other end is closed, the service ends, too.
    """

    def __init__(
        self, listening: socket.socket, lock: int, idle_seconds: float, control: socket.socket | None = None
    ) -> None:
        self._listening = listening
        self._lock = lock
        self._control = control
        self._idle_seconds = idle_seconds
        self._selector = selectors.DefaultSelector()
        self._clients: set[_Connection] = set()
        self._by_process: dict[int, _Connection | None] = {}
        self._ends = False
        self._last_use = time.monotonic()
        self._identity = service_socket.identity()
        self._open_files = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._streams = [(one.encoding, one.errors or "strict") for one in (sys.stdin, sys.stdout, sys.stderr)]
        # Commands write here which model they opened.
        self._opened, self._opening = os.pipe()
        self._wake = os.pipe()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup
                signal.signal(number, self._end)

    def run(self) -> None:
        """Returns after it was told to end, when no command runs any more."""
        _warm_up()
        if self._control is not None:
            importlib.import_module("semsearch.service.search_process")
        # For the connections; the commands get the limit that the service was started with.
        allow_connections(_MAX_CONNECTIONS)
        self._parent = os.getpid()
        gc.collect()
        gc.freeze()
        wake, woken = self._wake
        for one in (wake, woken, self._opened):
            os.set_blocking(one, False)
        self._listening.setblocking(False)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        self._selector.register(self._listening, selectors.EVENT_READ, self._accept)
        self._selector.register(wake, selectors.EVENT_READ, lambda: _drained(wake))
        self._selector.register(self._opened, selectors.EVENT_READ, self._keep)
        if self._control is not None:
            self._selector.register(self._control, selectors.EVENT_READ, self._start_search)
        while not self._ends:
            self._turn(self._pause())
            self._look_at_clock()
        self._close()

    def _turn(self, seconds: float) -> None:
        """Answers to what happens, waiting for it as long as `seconds`."""
        for key, _ in self._selector.select(seconds):
            key.data()
        self._reap()

    # -- events --------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        try:
            raw, _ = self._listening.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                time.sleep(0.05)  # until some have ended
            return
        credentials = raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, service_socket.CREDENTIALS_BYTES)
        if len(self._clients) >= _MAX_CONNECTIONS or not service_socket.is_same_user(credentials):
            raw.close()
            return
        self._add(_Connection(raw))

    def _add(self, client: _Connection) -> None:
        client.socket.setblocking(False)
        self._clients.add(client)
        self._selector.register(client.socket, selectors.EVENT_READ, lambda: self._hear(client))

    def _hear(self, client: _Connection) -> None:
        if client not in self._clients:  # it was left in this turn
            return
        try:
            if client.state == "accepted":
                self._start(client)
                return
            said = client.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            self._leave(client)
        elif client.state == "asks":
            self._take(client, said)
        else:
            for number in said:
                if number in service_client.FORWARDED:
                    # The client has stopped itself; a session without a terminal would ignore the other signal.
                    self._signal(client, signal.SIGSTOP if number == signal.SIGTSTP else number)

    def _take(self, client: _Connection, said: bytes) -> None:
        """Adds what a client `said` to its request, and lets it go on where the command can run here."""
        client.data += said
        size = int.from_bytes(client.data[:8], "big")
        if len(client.data) < 8 or (len(client.data) < 8 + size <= service_socket.MAX_REQUEST_BYTES):
            return
        del client.data[:8]
        if len(client.data) != size or not _is_whole(client.data) or not client.data.startswith(self._identity + b"\0"):
            self._leave(client)
            return
        client.state, client.since = "accepted", time.monotonic()
        with contextlib.suppress(OSError):  # it is gone, which is heard of
            client.socket.send(service_socket.ACCEPTED)

    def _start(self, client: _Connection) -> None:
        """Takes GO with the descriptors, and forks. Raises `OSError`."""
        said, descriptors, _, _ = socket.recv_fds(client.socket, 1, 8)
        try:
            if said != service_socket.GO or len(descriptors) != 4:
                self._leave(client)
                return
            self._last_use = time.monotonic()
            self._fork(client, lambda: self._run(client, descriptors))
        finally:
            for one in descriptors:
                os.close(one)
        client.data.clear()

    def _start_search(self) -> None:
        """Starts a process that searches, for `Forks`, at the other end of `control`."""
        assert self._control is not None
        message, descriptors, _, _ = socket.recv_fds(self._control, MAX_MESSAGE_BYTES, 2)
        if not message:
            self._selector.unregister(self._control)
            self._end()
            return
        if len(descriptors) != 2:  # there are too many open
            for one in descriptors:
                os.close(one)
            return
        self._last_use = time.monotonic()
        for folder, name in json.loads(message):
            _keep_open(folder, name)
        gc.freeze()
        connection, reports = descriptors
        # It lets no signal but this one end it.
        client = _Connection(socket.socket(fileno=reports), signal.SIGKILL)
        self._add(client)
        self._fork(client, lambda: self._search(connection))
        os.close(connection)
        if client.state == "runs":
            with contextlib.suppress(OSError):  # it was waited for too long; its end is heard of
                client.socket.send(STARTED)

    def _fork(self, client: _Connection, run: Callable[[], NoReturn]) -> None:
        """Starts the process of `client`, which does `run`, and leaves the client where none is to be had."""
        # What the client sends on waits until the command can take it.
        signal.pthread_sigmask(signal.SIG_BLOCK, service_client.FORWARDED)
        try:
            process = os.fork()
            if process == 0:
                _become(run)
        except OSError:  # the client tells it
            self._leave(client)
            return
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, service_client.FORWARDED)
        client.process, client.state = process, "runs"
        self._by_process[process] = client

    def _signal(self, client: _Connection, number: int) -> None:
        if client.process in self._by_process:  # else it has ended, and another process may have its number
            os.kill(client.process, number)

    def _leave(self, client: _Connection) -> None:
        """Ends the connection, and the command of a client that went away."""
        if client.state == "runs":
            self._signal(client, signal.SIGCONT)
            self._signal(client, client.end)
            self._by_process[client.process] = None
        self._selector.unregister(client.socket)
        self._clients.discard(client)
        client.socket.close()

    def _reap(self) -> None:
        for process in list(self._by_process):
            ended, status = os.waitpid(process, os.WNOHANG)
            if not ended:
                continue
            client = self._by_process.pop(process)
            if client is not None:
                client.state = "ended"
                with contextlib.suppress(OSError):
                    client.socket.send(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))
                self._leave(client)

    def _keep(self) -> None:
        """Opens the models that commands had to open."""
        for line in dict.fromkeys(os.read(self._opened, 1 << 16).splitlines()):
            folder, _, name = os.fsdecode(line).partition("\t")
            _keep_open(folder, name)
        gc.freeze()

    # -- time ----------------------------------------------------------------------------------------------------

    def _pause(self) -> float:
        """Seconds until something is to be looked at."""
        return 1.0 if any(client.state in ("asks", "accepted") for client in self._clients) else 30.0

    def _look_at_clock(self) -> None:
        now = time.monotonic()
        for client in list(self._clients):
            began = client.state == "accepted" or (client.state == "asks" and client.data)
            if began and now - client.since > _SECONDS_TO_ASK:
                self._leave(client)
        if now - self._last_use > self._idle_seconds and not self._by_process:
            self._last_use = now
            kept_models.let_go()
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            with contextlib.suppress(OSError, AttributeError):  # only glibc has it
                ctypes.CDLL(None).malloc_trim(0)

    def _end(self, *signal_and_frame: object) -> None:
        self._ends = True

    def _close(self) -> None:
        self._selector.unregister(self._listening)
        self._listening.close()
        for client in list(self._clients):
            if client.state != "runs":
                self._leave(client)
        deadline = time.monotonic() + _SECONDS_TO_END
        while self._by_process and time.monotonic() < deadline:
            self._turn(deadline - time.monotonic())
        for client in list(self._clients):
            self._leave(client)

    # -- a process that was forked ---------------------------------------------------------------------------------

    def _search(self, connection: int) -> NoReturn:
        """Searches for whoever is at the other end of the socket `connection`."""
        from semsearch.service import search_process

        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._end_with_the_service(signal.SIGKILL)
        # First, as the service may have as many open as it is let.
        self._close_all_but_the_report()
        os.close(self._opening)
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1):
            os.dup2(nothing, number)
        os.close(nothing)
        resource.setrlimit(resource.RLIMIT_NOFILE, self._open_files)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, service_client.FORWARDED)
        search_process.answer(connection)
        os._exit(0)

    def _end_with_the_service(self, number: signal.Signals) -> None:
        """Has `number` sent to this process where the service is killed."""
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != self._parent:
            os._exit(1)

    def _run(self, client: _Connection, descriptors: list[int]) -> NoReturn:
        signal.set_wakeup_fd(-1)
        os.setsid()
        mask, ignored, arguments, environment = _fields(client.data)
        for number in (signal.SIGCHLD, *service_client.FORWARDED):
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)
        self._end_with_the_service(signal.SIGTERM)
        for number, one in enumerate(descriptors[:3]):
            os.dup2(one, number)
        os.fchdir(descriptors[3])
        for one in descriptors:
            os.close(one)
        os.umask(mask)
        os.environb.clear()
        os.environb.update(environment)
        os.environ[service_client.SWITCH] = "0"
        time.tzset()
        sys.argv[1:] = arguments
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            setattr(sys, name, _stream(number, *self._streams[number]))
        report = self._opening
        kept_models.on_open = lambda folder, name: _told(report, folder, name)
        from semsearch import cli

        cli.BEGAN = time.perf_counter()
        try:
            client.socket.send(service_socket.STARTED)
        except OSError:  # nobody waits for it any more
            os._exit(0)
        self._close_all_but_the_report()
        resource.setrlimit(resource.RLIMIT_NOFILE, self._open_files)
        # `interrupts.install` lets SIGINT in.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*service_client.FORWARDED} - {signal.SIGINT})
        cli.main()

    def _close_all_but_the_report(self) -> None:
        self._listening.close()
        self._selector.close()
        for one in (self._opened, self._lock, *self._wake):
            os.close(one)
        if self._control is not None:
            self._control.close()
        for client in self._clients:
            client.socket.close()


def _become(run: Callable[[], NoReturn]) -> NoReturn:
    """Does `run` in a process that was forked for it."""
    try:
        run()
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 0 if end.code is None else 1)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)  # as the interpreter does after an exception that nobody caught


def _keep_open(folder: str, name: str) -> None:
    """Keeps a prepared model open, where that can be."""
    try:
        kept_models.keep(folder, name)
    except (SemsearchError, OSError):
        pass  # who needs it opens it, and tells what is wrong
    except Exception as error:  # those of ONNX Runtime are not public
        if shortage_of(error) is None:
            raise


def _warm_up() -> None:
    """Does what every command would do once."""
    switch_off_telemetry()  # it would start a thread
    for name in _IMPORTED:
        importlib.import_module(name)
    from semsearch.cli.app import parser
    from semsearch.lexical.words import spaced_letters, words_of
    from semsearch.settings import cache_folder

    parser()
    cache_folder()
    "".encode("utf-32-le")
    words_of("слово")
    spaced_letters("слово")


def _is_whole(request: bytearray) -> bool:
    """Whether `request` has all its fields."""
    fields = bytes(request).split(b"\0")
    return len(fields) > 4 and all(one.isdigit() for one in fields[1:4:2]) and len(fields) > 4 + int(fields[3])


def _fields(request: bytearray) -> tuple[int, set[int], list[str], dict[bytes, bytes]]:
    """(umask, the signals that are ignored, arguments, environment)."""
    _, mask, ignored, count, *fields = bytes(request).split(b"\0")[:-1]
    arguments, variables = fields[: int(count)], fields[int(count) :]
    environment = dict(one.partition(b"=")[::2] for one in variables)
    return (
        int(mask),
        {int(one) for one in ignored.split(b",") if one},
        [os.fsdecode(one) for one in arguments],
        environment,
    )


def _stream(number: int, encoding: str, errors: str) -> io.TextIOWrapper:
    """The standard stream `number` as the interpreter opens it."""
    raw = io.FileIO(number, "w" if number else "r", closefd=False)
    buffer = io.BufferedWriter(raw) if number else io.BufferedReader(raw)
    return io.TextIOWrapper(buffer, encoding, errors, line_buffering=number == 2 or raw.isatty())


def _told(report: int, folder: str, name: str) -> None:
    with contextlib.suppress(OSError):  # the service has ended
        os.write(report, os.fsencode(f"{folder}\t{name}\n"))


def _drained(descriptor: int) -> None:
    with contextlib.suppress(BlockingIOError):
        os.read(descriptor, 1 << 16)
