"""Lets the user's service (`semsearch serve`) run a command, where there is one that would answer the same.

Imports nothing heavy, and nothing at all beyond `service_socket` where no service is.
"""

# Not `socket` and `signal`, which import enum and selectors: as long as the whole request takes.
import _signal  # type: ignore[import-not-found]
import os
import sys

from semsearch.cli import service_socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from types import FrameType

SWITCH = "SEMSEARCH_SERVICE"
# What is done besides searching is done by a process of its own.
_NOT_SERVED = ("--no-service", "--chat", "--update")
# What is sent on to the command.
FORWARDED = (
    _signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP, _signal.SIGQUIT, _signal.SIGTSTP, _signal.SIGCONT,
)  # fmt: skip


def run(arguments: list[str]) -> int | None:
    """The exit code of the command that `arguments` are, after the service ran it; minus a number where that signal
    ended it. None where there is no service that can: nothing has happened then."""
    if os.environ.get(SWITCH) == "0" or any(one.startswith(_NOT_SERVED) for one in arguments):
        return None
    if None in (sys.stdin, sys.stdout, sys.stderr):  # closed: another file would take its number
        return None
    folder = service_socket.service_folder()
    if not service_socket.is_private(folder) or _is_limited():
        return None
    import _socket

    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.settimeout(service_socket.ANSWER_SECONDS)
        connection.connect(os.path.join(folder, service_socket.SOCKET))
        working = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        request = _request(arguments)
        descriptors = b"".join(one.to_bytes(4, sys.byteorder) for one in (0, 1, 2, working))
        size = len(request).to_bytes(8, "big")
        if connection.sendmsg([size], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptors)]) != len(size):
            return None
        connection.sendall(request)
        if connection.recv(1) != service_socket.ACCEPTED:
            return None
        connection.sendall(service_socket.GO)
    except OSError:  # no service, one that ends, or a standard stream that is closed
        return None
    _forward_signals(connection)
    return _exit_code(connection, arguments)


def _is_limited() -> bool:
    """Whether this process has a limit (setrlimit(2)) that one of the service would not have."""
    import resource

    limits = (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_DATA, resource.RLIMIT_FSIZE)
    return any(resource.getrlimit(one)[0] != resource.RLIM_INFINITY for one in limits)


def _request(arguments: list[str]) -> bytes:
    mask = os.umask(0o077)
    os.umask(mask)
    ignored = [str(one) for one in FORWARDED if _signal.getsignal(one) == _signal.SIG_IGN]
    fields = [service_socket.identity(), str(mask).encode(), ",".join(ignored).encode(), str(len(arguments)).encode()]
    fields += map(os.fsencode, arguments)
    fields += (name + b"=" + value for name, value in os.environb.items())
    return b"".join(field + b"\0" for field in fields)


def _forward_signals(connection: "_socket.socket") -> None:
    """Sends the command what is sent to this process. Ctrl-Z stops both, and `fg` lets both go on."""

    def stop(number: int, frame: "FrameType | None") -> None:
        os.kill(os.getpid(), _signal.SIGSTOP)

    # The interpreter writes the number there at once; a handler in Python may wait until `poll` returns.
    connection.setblocking(False)
    _signal.set_wakeup_fd(connection.fileno(), warn_on_full_buffer=False)
    for number in FORWARDED:
        if _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, stop if number == _signal.SIGTSTP else lambda number, frame: None)


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
    _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
