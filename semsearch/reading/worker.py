"""A reader process: takes tasks from a socket, sends back what it prepared. `python -m semsearch.reading.worker FD`.

Documents are parsed here and nowhere else, so that one that hangs, crashes its parser or eats all memory takes only
this process with it. The rules come as the first message, then one task a message.
"""

import os
import pickle
import resource
import signal
import sys
from multiprocessing.connection import Connection

from semsearch.lexical import language
from semsearch.reading.prepare import Prepared, Task, prepare

READY = b"ready"
# Exit status of a process that came to its memory limit.
OUT_OF_MEMORY = 77
# Beyond what the parent allows; for when there is no parent any more.
_LAST_RESORT_SECONDS = 30


def main() -> None:
    connection = Connection(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    language.load()
    try:
        rules, seconds, memory = pickle.loads(connection.recv_bytes())
    except EOFError:
        return  # there was nothing to read
    _limit_memory(memory)
    chunk_rules = rules.chunk_rules()
    connection.send_bytes(READY)
    while True:
        try:
            task: Task = pickle.loads(connection.recv_bytes())
        except EOFError:
            return
        seconds_left = int(seconds_for(task, seconds)) + _LAST_RESORT_SECONDS
        signal.alarm(seconds_left)
        try:
            for part in prepare(task, chunk_rules, rules.passwords):
                _send(connection, part)
                signal.alarm(seconds_left)
        except MemoryError:
            os._exit(OUT_OF_MEMORY)  # a fresh process has its memory back
        except (BrokenPipeError, ConnectionResetError):
            return  # the parent is gone
        except Exception as error:  # a parser met what its author did not foresee: this file fails, no other
            _send(connection, Prepared("failed", f"cannot be read: {type(error).__name__}: {error}"[:300]))
        signal.alarm(0)


def _send(connection: Connection, part: Prepared) -> None:
    message = pickle.dumps(part, protocol=5)
    signal.alarm(0)  # a parent that is busy may let it wait
    connection.send_bytes(message)


def seconds_for(task: Task, seconds: float) -> float:
    """The time limit of `task`: `seconds`, and a sixth of it more for every megabyte."""
    return seconds * (1 + task.size / 6_000_000)


def _limit_memory(limit: int) -> None:
    """Allocations beyond `limit` bytes fail, with MemoryError in Python. macOS does not enforce it."""
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_CORE):
        _, hard = resource.getrlimit(kind)
        wanted = limit if kind == resource.RLIMIT_AS else 0
        if hard != resource.RLIM_INFINITY:
            wanted = min(wanted, hard)
        try:
            resource.setrlimit(kind, (wanted, hard))
        except (ValueError, OSError):
            continue  # a system without this limit still has the time limit


if __name__ == "__main__":
    main()
    os._exit(0)  # nothing here needs the interpreter's farewell
