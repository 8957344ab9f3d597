"""A reader process: `python -m semsearch.reading.worker FD` receives tasks from a pipe and sends back `FilePart`s.

Documents are parsed in such processes only: one that hangs, crashes its parser or takes all memory ends this process
and no other. The first message holds (`ReadRules`, time limit in seconds, memory limit in bytes), each later one a
`Task`; all are pickled. It answers with `READY`, or with (message, hint) of what it lacks.
"""

import contextlib
import os
import pickle
import resource
import signal
import sys
from multiprocessing.connection import Connection

from semsearch.lexical import language
from semsearch.reading.analysis import FilePart, Task, analyze_file
from semsearch.shortage import as_told, shortage_of

READY = b"ready"
# Exit status of a process that reached its memory limit.
OUT_OF_MEMORY = 77
# What this process may compute beyond the parent's time limit, on each core, before the system ends it: where a thread
# waits for the end of the parent (`semsearch.child`), C code that never returns may keep that thread waiting, too.
_ORPHAN_SECONDS = 30


def main() -> None:
    """Serves tasks until the parent closes the pipe."""
    connection = Connection(int(sys.argv[1]))
    try:
        language.load()
        try:
            rules, seconds, memory = pickle.loads(connection.recv_bytes())
        except EOFError:
            return  # the parent had nothing to read
        _limit_memory(memory)
        chunk_rules = rules.chunk_rules()
    except Exception as error:
        told = shortage_of(error) or (as_told(error) if isinstance(error, OSError) else None)
        if told is None:
            raise
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.send_bytes(pickle.dumps((told.message, told.hint)))
        return
    connection.send_bytes(READY)
    while True:
        try:
            task: Task = pickle.loads(connection.recv_bytes())
        except EOFError:
            return
        cpu_seconds = (seconds_for(task, seconds) + _ORPHAN_SECONDS) * (os.cpu_count() or 1)
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        try:
            for part in analyze_file(task, chunk_rules, rules):
                _send(connection, part)
                signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        except MemoryError:
            os._exit(OUT_OF_MEMORY)  # a fresh process has its memory back
        except (BrokenPipeError, ConnectionResetError):
            return  # the parent is gone
        except Exception as error:  # a defect of a parser: this file fails, the others are read
            _send(connection, FilePart("failed", f"cannot be read: {type(error).__name__}: {error}"[:300]))
        signal.setitimer(signal.ITIMER_PROF, 0)


def _send(connection: Connection, part: FilePart) -> None:
    connection.send_bytes(pickle.dumps(part, protocol=5))


def seconds_for(task: Task, seconds: float) -> float:
    """The time limit of `task` in seconds: `seconds`, and a sixth of that more for every megabyte."""
    return seconds * (1 + task.size / 6_000_000)


def _limit_memory(limit: int) -> None:
    """Makes allocations beyond `limit` bytes fail, in Python with MemoryError, and switches core dumps off.

    macOS does not enforce the limit.
    """
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_CORE):
        _, hard = resource.getrlimit(kind)
        soft = limit if kind == resource.RLIMIT_AS else 0
        if hard != resource.RLIM_INFINITY:
            soft = min(soft, hard)
        try:
            resource.setrlimit(kind, (soft, hard))
        except (ValueError, OSError):
            continue  # a system without this limit still has the time limit


if __name__ == "__main__":
    main()
    os._exit(0)  # saves the time of the interpreter's shutdown
