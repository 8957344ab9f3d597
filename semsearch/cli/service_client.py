"""Lets the user's service (`semsearch serve`) run a command, where there is one that would answer the same.

Imports nothing heavy, and nothing at all beyond `service_socket` where no service is.
"""

# Not `socket` and `signal`, which import enum and selectors: as long as the whole request takes.
import _signal  # type: ignore[import-not-found]
import os
import sys
import time

from semsearch.cli import service_socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from types import FrameType

SWITCH = "SEMSEARCH_SERVICE"
# What is done besides searching is done by a process of its own.
_NOT_SERVED = ("--no-service", "--chat", "--update")
# Files that are others for another process.
_OF_A_PROCESS = ("/dev/", "/proc/")
# What is sent on to the command.
FORWARDED = (
    _signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP, _signal.SIGQUIT, _signal.SIGTSTP, _signal.SIGCONT,
)  # fmt: skip
# A signal so long after the first one ends this process, whatever the command does.
_PATIENCE_SECONDS = 1.0


def run(arguments: list[str]) -> int | None:
    """The exit code of the command that `arguments` are, after the service ran it; minus a number where that signal
    ended it. None where there is no service that can: nothing has happened then."""
    if not service_socket.IS_SUPPORTED or os.environ.get(SWITCH) == "0" or "_SEMSEARCH_COMPLETE" in os.environ:
        return None
    if any(one.startswith(_NOT_SERVED) or any(part in one for part in _OF_A_PROCESS) for one in arguments):
        return None
    if None in (sys.stdin, sys.stdout, sys.stderr):  # closed: another file would take its number
        return None
    folder = service_socket.service_folder()
    if not service_socket.is_private(folder) or _reads_terminal_of_others():
        return None
    import _socket

    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.settimeout(service_socket.ANSWER_SECONDS)
        connection.connect(os.path.join(folder, service_socket.SOCKET))
        credentials = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, service_socket.CREDENTIALS_BYTES)
        if not service_socket.is_same_user(credentials):
            return None
        request = _request(arguments)
        connection.sendall(len(request).to_bytes(8, "big") + request)
        if connection.recv(1) != service_socket.ACCEPTED:
            return None
        working = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        descriptors = b"".join(one.to_bytes(4, sys.byteorder) for one in (0, 1, 2, working))
        connection.settimeout(None)
        connection.sendmsg([service_socket.GO], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptors)])
        if connection.recv(1) != service_socket.STARTED:
            return None
    except OSError:  # no service, or one that ends
        return None
    _forward_signals(connection)
    return _exit_code(connection, arguments)


def _reads_terminal_of_others() -> bool:
    """Whether this process is in the background of a terminal, which would stop it when it reads from there."""
    return os.isatty(0) and os.tcgetpgrp(0) != os.getpgrp()


def _request(arguments: list[str]) -> bytes:
    mask = os.umask(0o077)
    os.umask(mask)
    ignored = [str(one) for one in FORWARDED if _signal.getsignal(one) == _signal.SIG_IGN]
    fields = [service_socket.identity(), str(mask).encode(), ",".join(ignored).encode(), str(len(arguments)).encode()]
    fields += map(os.fsencode, arguments)
    fields += (name + b"=" + value for name, value in os.environb.items() if name)
    return b"".join(field + b"\0" for field in fields)


def _forward_signals(connection: "_socket.socket") -> None:
    """Sends the command what is sent to this process. Ctrl-Z stops both, and `fg` lets both go on."""
    first: float | None = None

    def wait(number: int, frame: "FrameType | None") -> None:
        nonlocal first
        if first is not None and time.monotonic() - first > _PATIENCE_SECONDS:
            end_by(number)
        first = first or time.monotonic()

    def stop(number: int, frame: "FrameType | None") -> None:
        # As the system does it: where no shell waits for this process, it does not stop.
        _signal.signal(number, _signal.SIG_DFL)
        os.kill(os.getpid(), number)
        _signal.signal(number, stop)
        try:  # noqa: SIM105 - contextlib is not light
            connection.send(bytes([_signal.SIGCONT]))
        except OSError:
            pass  # it has ended

    # The interpreter writes the number there at once; a handler in Python may wait until `poll` returns.
    connection.setblocking(False)
    _signal.set_wakeup_fd(connection.fileno(), warn_on_full_buffer=False)
    handlers = {_signal.SIGTSTP: stop, _signal.SIGCONT: lambda number, frame: None}
    for number in FORWARDED:
        if _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, handlers.get(number, wait))


def _exit_code(connection: "_socket.socket", arguments: list[str]) -> int:
    import select

    waiting = select.poll()
    waiting.register(connection, select.POLLIN)
    answer = b""
    while len(answer) < 4:
        waiting.poll()
        try:
            piece = connection.recv(4 - len(answer))
        except OSError:
            piece = b""
        if not piece:
            from semsearch.cli.failure import fail
            from semsearch.errors import SemsearchError

            error = SemsearchError("the service ended before the command did", "run it again", code="service_ended")
            return fail(error, arguments, error.exit_code)
        answer += piece
    return int.from_bytes(answer, "big", signed=True)


def end_by(number: int) -> None:
    """Ends this process by the signal `number`, as the command was."""
    if number != _signal.SIGKILL:
        _signal.signal(number, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
