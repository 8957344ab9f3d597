"""Runs of the command in forked children of a process that has imported everything: thousands in minutes, each with
limits of its own. The process must have one thread; `restart` sees to that before numpy is imported.
"""

import argparse
import os
import re
import resource
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn, Protocol

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
# A child that waits for something takes no CPU seconds; on a busy machine, a good one may take this long.
_WAITING_SECONDS = 90


@dataclass(frozen=True)
class Ended:
    """How a child ended. `code`: its exit status, negative: the signal; `memory`: the most bytes it had at once."""

    code: int
    out: str
    err: str
    seconds: float
    memory: int
    waited: bool = False

    def defect(self, seconds: float, memory: int) -> str:
        """What no command may do, whatever it is given; "" when it did not. `seconds` of CPU, `memory` in bytes."""
        if self.waited or self.code == -signal.SIGXCPU or self.seconds > seconds:
            return f"it took {self.seconds:.1f} s" + (" and did not end" if self.waited else "")
        if self.code < 0:
            return f"it ended by {signal.Signals(-self.code).name}"
        if self.memory > memory:
            return f"it took {self.memory >> 20} MB of memory"
        if re.search(r"Traceback|is a defect|unexpected \w+(Error|Exception)", self.err):
            return self.err.strip()[-300:]
        return ""


def restart(environment: Mapping[str, str] | None = None) -> None:
    """Starts this program again with libraries that use one thread, and with `environment`, unless that is so now."""
    wanted = {**_ONE_THREAD, **(environment or {})}
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        sys.stdout.flush()
        os.execve(sys.executable, sys.orig_argv, {**os.environ, **wanted})


def warm_up() -> None:
    """Imports and reads what commands need by running some of them, so that no child has to."""
    import typer
    from tokenizers import Tokenizer

    from semsearch.cli.app import app, run
    from semsearch.lexical import language
    from semsearch.reading import worker  # noqa: F401  # what a forked reader runs

    # Neither changes while this process lives, and both take longer than a small run.
    made = typer.main.get_command(app)
    typer.main.get_command = lambda asked: made
    Tokenizer.from_file = cache(Tokenizer.from_file)
    language.load()
    with TemporaryDirectory(prefix="semsearch-warm-") as folder, redirect_stdout(StringIO()):
        index = os.path.join(folder, "index")
        with open(os.path.join(folder, "text.txt"), "w", encoding="ascii") as file:
            file.write("A text to begin with.\n")
        for arguments in (
            ["index", folder, "-i", index, "--model", "static", "-q"],
            ["search", "texts to begin", "-i", index],
            ["ask", "texts to begin", "-i", index],
            ["status", "-i", index],
            ["verify", "-i", index],
        ):
            code = run(arguments)
            assert code == 0, (arguments, code)
    assert len(os.listdir("/proc/self/task")) == 1, "a process with threads cannot be forked"


def in_child(work: Callable[[], int], seconds: int = 60, address_space: int = 0) -> Ended:
    """What came of `work()` in a child that may take `seconds` of CPU, and map `address_space` bytes (0: any)."""
    out, err = os.memfd_create("out"), os.memfd_create("err")
    sys.stdout.flush()
    sys.stderr.flush()
    started = time.monotonic()
    number = os.fork()
    if not number:
        _run(work, out, err, seconds, address_space)
    handle = os.pidfd_open(number)
    waited = not select.select([handle], [], [], _WAITING_SECONDS)[0]
    if waited:
        os.kill(number, signal.SIGKILL)
    _, status, used = os.wait4(number, 0)
    os.close(handle)
    texts = []
    for descriptor in (out, err):
        with open(descriptor, "rb") as file:
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    spent = time.monotonic() - started if waited else used.ru_utime + used.ru_stime
    return Ended(os.waitstatus_to_exitcode(status), texts[0], texts[1], spent, used.ru_maxrss * 1024, waited)


def _run(work: Callable[[], int], out: int, err: int, seconds: int, address_space: int) -> None:
    code = 70
    try:
        os.dup2(out, 1)
        os.dup2(err, 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        if address_space:
            resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
        code = work()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def command(*arguments: str) -> int:
    """In a child: runs `semsearch ARGUMENT...` as its process does, and ends this one with the exit status."""
    from semsearch import cli

    sys.argv = ["semsearch", *arguments]
    cli.main()


# -- readers ---------------------------------------------------------------------------------------------------------


class _Reader:
    """A reader process that was forked, as far as the pool knows one."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if not self.pid:
            self._ours.close()
            _serve(theirs)
        theirs.close()

    def hand(self, descriptor: int) -> None:
        socket.send_fds(self._ours, [b"x"], [descriptor])
        self._ours.close()

    def poll(self) -> None:
        return None

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _serve(connection: socket.socket) -> None:
    try:
        _, descriptors, _, _ = socket.recv_fds(connection, 1, 1)
        if descriptors:
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 1)
            os.dup2(silent, 2)
            from semsearch.reading import worker

            sys.argv = ["worker", str(descriptors[0])]
            worker.main()
    finally:
        os._exit(0)


def prepare_reader() -> None:
    """In a child: the first reader process that a run starts is forked now. A run on one core starts no second one."""
    from semsearch import subprocesses

    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[os.getpid() % len(os.sched_getaffinity(0))]})
    start, prepared = subprocesses.start, [_Reader()]

    def begin(module: str, arguments: Any, environment: Any, **options: Any) -> Any:
        if module != "semsearch.reading.worker" or not prepared:
            return start(module, arguments, environment, **options)
        reader = prepared.pop()
        reader.hand(int(arguments[0]))
        return reader

    subprocesses.start = begin


# -- many ------------------------------------------------------------------------------------------------------------


def spread(count: int, work: Callable[[int, int], str], cores: int | None = None) -> Iterator[tuple[int, str]]:
    """(number, `work(process, number)`) of all numbers below `count`, by forked processes, one for each core."""
    processes = cores or len(os.sched_getaffinity(0))
    tasks_out, tasks_in = os.pipe()
    results_out, results_in = os.pipe()
    children = []
    sys.stdout.flush()
    for process in range(processes):
        number = os.fork()
        if number:
            children.append(number)
            continue
        os.close(results_out)
        os.close(tasks_in)
        _work_off(tasks_out, results_in, partial_work=lambda task, process=process: work(process, task))
    os.close(tasks_out)
    os.close(results_in)
    feeder = os.fork()
    if not feeder:
        # Its reader may be gone: then nobody waits for the rest.
        try:
            for number in range(count):
                os.write(tasks_in, number.to_bytes(4, "little"))
        finally:
            os._exit(0)
    os.close(tasks_in)
    with open(results_out, encoding="utf-8") as results:
        seen = 0
        for line in results:
            place, _, outcome = line.rstrip("\n").partition(" ")
            seen += 1
            yield int(place), outcome
    for number in (feeder, *children):
        os.waitpid(number, 0)
    assert seen == count, f"{count - seen} of {count} have no outcome: a process ended"


def _work_off(tasks: int, results: int, partial_work: Callable[[int], str]) -> None:
    try:
        while record := os.read(tasks, 4):
            number = int.from_bytes(record, "little")
            # Whole lines below the size that a pipe writes at once (PIPE_BUF) are not mixed with those of others.
            outcome = partial_work(number).replace("\n", " | ")[:900]
            os.write(results, f"{number} {outcome}\n".encode("utf-8", "replace"))
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


class Judge(Protocol):
    """A trial that can be tried in many forked processes at once."""

    def judge(self, process: int, number: int) -> str:
        """What is wrong with try `number`, made by `process`; "" when nothing is."""
        ...


def run_trial(
    description: str | None, make: Callable[[Path, int], Judge], flag: str, whole: int, what: str
) -> NoReturn:
    """The program of a trial: `make(folder, seed)` prepares it, `--FLAG` says how often it is tried (`whole` unless
    said), `what` is what is counted. Prints what is wrong and how often; exit status 1 when anything is.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(f"--{flag}", dest="count", type=int, default=whole)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="the number of the one that is tried")
    chosen = parser.parse_args()
    restart()
    warm_up()
    failures = 0
    numbers = range(chosen.count) if chosen.only is None else [chosen.only]
    with TemporaryDirectory(prefix=f"semsearch-{flag}-") as base:
        trial = make(Path(base), chosen.seed)
        for _, outcome in spread(len(numbers), lambda process, task: trial.judge(process, numbers[task])):
            if outcome:
                failures += 1
                print(f"    {outcome}", flush=True)
    print(f"{len(numbers)} {what}, {failures} failures")
    sys.exit(1 if failures else 0)
