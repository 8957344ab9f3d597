"""What a process has from whoever started it: the sockets that systemd passes, and how many files it may open.

Light, because a command that is served imports it.
"""

import contextlib
import os
import resource
import socket

# The number of the first descriptor that systemd passes (sd_listen_fds(3)).
_FIRST_PASSED = 3
# Descriptors beside those of connections.
_OTHER_FILES = 256


def passed_sockets() -> list[socket.socket]:
    """The listening sockets that systemd passed to this process, once: they are the caller's to close.

    Processes that this one starts are told of none, and get none.
    """
    told = {name: os.environ.get(name, "") for name in ("LISTEN_PID", "LISTEN_FDS")}
    if told["LISTEN_PID"] != str(os.getpid()) or not told["LISTEN_FDS"].isdecimal():
        return []
    for name in (*told, "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    passed = []
    for number in range(_FIRST_PASSED, _FIRST_PASSED + int(told["LISTEN_FDS"])):
        with contextlib.suppress(OSError):  # it is none, as a unit may pass files, too
            one = socket.socket(fileno=number)
            one.set_inheritable(False)
            passed.append(one)
    return passed


def allow_connections(count: int) -> None:
    """Lets this process have `count` connections and some files, or as many as it may be let: many systems begin with
    1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count += _OTHER_FILES
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
