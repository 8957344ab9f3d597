"""Runs the command with something that happens at a point between two statements: before one is sent, or after its
answer came.

    python -m tests.support.statement_points POINT FILE ARGUMENT...

FILE `kill`: the process is killed there. Any other: FILE is made there, and nothing goes on until it is removed. With
POINT 0 nothing happens, and the number of points is told on stderr at the end.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import semsearch.store.postgres.connection as connection_module
from semsearch import cli
from semsearch.store.postgres.errors import about_index

passed = 0


def _pass(point: int, file: str) -> None:
    global passed
    passed += 1
    if passed != point:
        return
    if file == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    Path(file).touch()
    while Path(file).exists():
        time.sleep(0.01)


def main() -> None:
    point, file = int(sys.argv[1]), sys.argv[2]

    @contextlib.contextmanager
    def with_points(location: str) -> Iterator[None]:
        with about_index(location):
            _pass(point, file)
            yield
            _pass(point, file)

    connection_module.about_index = with_points
    sys.argv = ["semsearch", *sys.argv[3:]]
    end = cli._exit

    def told(code: int) -> None:
        if not point:
            print(f"points: {passed}", file=sys.stderr, flush=True)
        end(code)

    cli._exit = told  # type: ignore[assignment]
    cli.main()


if __name__ == "__main__":
    main()
