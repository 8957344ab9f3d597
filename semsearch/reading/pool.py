"""The pool of reader processes: takes tasks, gives the parts of their files, in the order of the tasks.

Each process has a pipe of its own and shares no lock, so that it can be killed at any moment without harm to others.
(`concurrent.futures` and `multiprocessing.Pool` give up the whole pool when one process dies.)
"""

import contextlib
import os
import pickle
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from multiprocessing.connection import Pipe, wait

from semsearch import subprocesses
from semsearch.errors import SemsearchError
from semsearch.reading.analysis import FilePart, ReadRules, Task
from semsearch.reading.running_time import LOOK_SECONDS, RunningTime
from semsearch.reading.worker import OUT_OF_MEMORY, READY, seconds_for
from semsearch.settings import read_memory, read_seconds
from semsearch.sources.document_types import may_be_parsed
from semsearch.sources.grammars import are_installed

# The most tasks that are in work or done beyond the one whose result is due, and the most bytes of their files.
_AHEAD = 128
_AHEAD_BYTES = 48_000_000
_LARGE_BYTES = 500_000
# The most bytes of results that wait for the caller.
_WAITING_BYTES = 32_000_000
_START_SECONDS = 60
# Seconds between two looks at whether to go on waiting for a reader.
_STOPPING_SECONDS = 0.2


class ReaderPool:
    """Up to `count` reader processes (None: one for each core), started when needed; `with` ends them.

    Raises `SemsearchError` from `run` when no process can start.
    """

    def __init__(self, count: int | None = None) -> None:
        self._setup = b""
        self._count = count or subprocesses.core_count()
        self._seconds = read_seconds()
        self._workers: list[_Worker] = []
        # (task, part, bytes) that the thread has received and the caller has not taken yet; None at the end.
        self._results: deque[tuple[Task, FilePart, int] | BaseException | None] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "ReaderPool":
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all processes."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        for worker in self._workers:
            worker.kill()
        self._workers = []

    def warm_up(self) -> None:
        """Starts one process before it is known what to read, which saves 0.15 s of a run with one file."""
        self._workers.append(_Worker())

    def run(
        self, tasks: Iterable[Task], rules: ReadRules, stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[Task, FilePart]]:
        """(task, part) of all parts of the files of `tasks`, in the order of the tasks. To be called once.

        A thread hands out the tasks, so that the readers work while the caller commits. `stopping` is asked while a
        reader is waited for: whether to give up what is being read. What was read beside it follows, and for each file
        in work or waiting a part of status `left`; then it ends.
        """
        self._seconds = read_seconds() + (rules.ocr.seconds if rules.ocr is not None else 0)
        self._setup = pickle.dumps((rules, self._seconds, read_memory()), protocol=5)
        thread = threading.Thread(target=self._serve, args=(iter(tasks),), daemon=True)
        thread.start()
        self._thread = thread  # `close` waits for one that could be started
        while True:
            with self._changed:
                while not self._results:
                    self._changed.wait(_STOPPING_SECONDS)
                    self._stopping = self._stopping or (not self._results and stopping())
                item = self._results.popleft()
                if isinstance(item, tuple):
                    self._waiting_bytes -= item[2]
                self._changed.notify_all()
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item[0], item[1]

    def _serve(self, tasks: Iterator[Task]) -> None:
        try:
            self._dispatch(tasks)
            self._put(None)
        except BaseException as error:
            self._put(error)

    def _put(self, item: "tuple[Task, FilePart, int] | BaseException | None") -> None:
        with self._changed:
            while self._waiting_bytes > _WAITING_BYTES and not self._stopping:
                self._changed.wait()
            if isinstance(item, tuple):
                self._waiting_bytes += item[2]
            self._results.append(item)
            self._changed.notify_all()

    def _dispatch(self, tasks: Iterator[Task]) -> None:
        slots: deque[_Slot] = deque()
        while not self._stopping:
            slots.extend(map(_Slot, islice(tasks, _AHEAD - len(slots))))
            if not slots:
                return
            while (slot := _next(slots, self._count)) is not None and (worker := self._idle()) is not None:
                worker.begin(slot, self._seconds, self._setup)
            while slots and slots[0].parts:
                task, (part, size) = slots[0].task, slots[0].parts.popleft()
                if part.last:
                    slots.popleft()
                self._put((task, part, size))
            if slots and not slots[0].parts:
                self._receive(slots)
        for slot in slots:
            for part, size in slot.parts if slot.ended else [(FilePart("left"), 0)]:
                self._put((slot.task, part, size))

    def _idle(self) -> "_Worker | None":
        """A process without a task, a new one if there may be more; None when all are busy."""
        for worker in [worker for worker in self._workers if worker.slot is None]:
            if worker.is_alive():
                return worker
            self._workers.remove(worker)  # killed from outside while it was idle, so that no file has failed
            worker.kill()
        if len(self._workers) < self._count:
            self._workers.append(_Worker())
            return self._workers[-1]
        return None

    def _receive(self, slots: "deque[_Slot]") -> None:
        """Waits for the next message of a process and takes it; ends processes that are over their time limit."""
        # A process whose task is not due, and that has parts waiting here already, is not read from: its pipe fills up
        # and it pauses.
        awaited = [
            worker
            for worker in self._workers
            if worker.slot is not None and (worker.slot is slots[0] or not worker.slot.parts or not slots[0].begun)
        ]
        ready = wait([worker.connection for worker in awaited], LOOK_SECONDS)
        for worker in awaited:
            if worker.connection in ready:
                alive = worker.receive()
            elif worker.is_late():
                worker.give_up(worker.over_time())
                alive = False
            else:
                continue
            if not alive:
                self._workers.remove(worker)


@dataclass
class _Slot:
    """A task with the parts of its file that came back, each with its size in bytes.

    `begun`: a process has it; `early`: it was begun before smaller tasks that come first; `has_come`: some part has;
    `ended`: all parts are here.
    """

    task: Task
    begun: bool = False
    early: bool = False
    has_come: bool = False
    ended: bool = False
    parts: deque[tuple[FilePart, int]] = field(default_factory=deque)


def _next(slots: "deque[_Slot]", cores: int) -> "_Slot | None":
    """The task to begin next; None: none for now.

    A large file is begun before its turn: at the end it would keep one core busy while the others have nothing to do.
    """
    waiting = [slot for slot in slots if not slot.begun]
    if not waiting or not slots[0].begun:
        return waiting[0] if waiting else None
    held = sum(slot.task.size + sum(size for _, size in slot.parts) for slot in slots if slot.begun)
    if held > _AHEAD_BYTES:
        return None
    largest = max(waiting, key=lambda slot: slot.task.size)
    # One at a time, so that a process is left for the task whose result is due.
    ahead = any(slot.early and not slot.ended for slot in slots)
    if largest is not waiting[0] and largest.task.size > _LARGE_BYTES and cores > 1 and not ahead:
        largest.early = True
        return largest
    return waiting[0]


class _Worker:
    """One reader process and its current task (`slot`), which may take `allowed` seconds for each part."""

    def __init__(self) -> None:
        self.connection, theirs = Pipe()
        self._process = subprocesses.start(
            "semsearch.reading.worker",
            [str(theirs.fileno())],
            # One thread for each process: there are as many processes as cores.
            {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
            pass_fds=[theirs.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=None if os.environ.get("SEMSEARCH_DEBUG") else subprocess.DEVNULL,
        )
        theirs.close()
        self._set_up = self._ready = False
        self._time = RunningTime(self._process.pid)
        self.slot: _Slot | None = None
        self.allowed = 0.0

    def begin(self, slot: _Slot, seconds: float, setup: bytes) -> None:
        """Sends the task of `slot`, and before the first one `setup`; `seconds`: the time limit of a small file."""
        self.slot = slot
        slot.begun = True
        self.allowed = seconds_for(slot.task, seconds)
        self._time.restart()
        with contextlib.suppress(
            BrokenPipeError, ConnectionResetError
        ):  # `receive` finds out that the process has ended
            if not self._set_up:
                self._set_up = True
                self.connection.send_bytes(setup)
            self.connection.send_bytes(pickle.dumps(slot.task, protocol=5))

    def receive(self) -> bool:
        """Takes one message; False when the process has ended. Raises `SemsearchError` when it could not start."""
        assert self.slot is not None
        try:
            message = self.connection.recv_bytes()
        except (EOFError, ConnectionResetError):
            code = self._process.wait()
            if not self._ready:
                raise SemsearchError(
                    f"a reader process cannot start (exit status {code})", "SEMSEARCH_DEBUG=1 shows why"
                ) from None
            self.give_up(self.over_time() if code == -signal.SIGPROF else _exit_reason(code))
            return False
        self._time.restart()
        if message == READY:
            self._ready = True
            return True
        if not self._ready:
            lack, hint = pickle.loads(message)
            raise SemsearchError(f"a reader process cannot start: {lack}", hint, code="shortage")
        part: FilePart = pickle.loads(message)
        self.slot.parts.append((part, len(message)))
        self.slot.has_come = True
        if part.last:
            self.slot.ended = True
            self.slot = None
        return True

    def is_late(self) -> bool:
        """Whether the process is over its time limit."""
        return self._time.exceeds(self.allowed + (0 if self._ready else _START_SECONDS))

    def over_time(self) -> str:
        """What is said of a file that takes too long."""
        return f"took more than {self.allowed:.0f} s to read and was stopped"

    def give_up(self, reason: str) -> None:
        """Ends the process; the file of its task has failed, for this `reason`.

        Code that a grammar may have failed at, whose parser is not made for what is no code, is read without it first.
        """
        slot, self.slot = self.slot, None
        if slot is not None and slot.task.grammar and not slot.has_come and _is_parsed(slot.task.path):
            slot.task = replace(slot.task, grammar=False)
            slot.begun = slot.early = False
        elif slot is not None:
            slot.parts.append((FilePart("stopped", reason), 0))
            slot.ended = True
        self.kill()

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Ends the process and closes its pipe."""
        self._process.kill()
        self._process.wait()
        self.connection.close()


def _is_parsed(path: str) -> bool:
    return are_installed() and may_be_parsed(path)


def _exit_reason(code: int) -> str:
    """Why a process ended with exit status `code`, for people; negative: by that signal."""
    if code == OUT_OF_MEMORY:
        return f"needs more than {read_memory() >> 20} MB of memory to be read"
    if code >= 0:
        return f"its reader ended with status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"its reader crashed ({name})"
