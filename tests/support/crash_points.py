"""A `semsearch` that ends itself by SIGKILL at one of the points where a crash could leave something half done.

    python -m tests.support.crash_points POINT COPIES ARGUMENT...

Points are counted before and after each fsync, rename, removal of a file or folder, and commit. POINT 0: none is taken;
the number of points is printed last, and the index is copied to COPIES/0, COPIES/1, ... as it was after each commit.
"""

import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from typing import Any

from semsearch.store.local import connection

_count = 0
_commits = 0


def main(point: int, copies: str, arguments: list[str]) -> None:
    def passed() -> None:
        global _count
        _count += 1
        if _count == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            passed()
            result = function(*arguments, **named)
            passed()
            return result

        return call

    os.fsync, os.rename, os.unlink, shutil.rmtree = map(watched, (os.fsync, os.rename, os.unlink, shutil.rmtree))
    index = arguments[arguments.index("-i") + 1]

    class Connection(connection.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            if sql not in ("BEGIN IMMEDIATE", "COMMIT", "PRAGMA wal_checkpoint(TRUNCATE)"):
                return super().execute(sql, *parameters)
            passed()
            cursor = super().execute(sql, *parameters)
            passed()
            if sql == "COMMIT" and point == 0:
                _copy(index, copies)
            return cursor

    connect = sqlite3.connect
    sqlite3.connect = lambda *given, **named: connect(*given, **{**named, "factory": Connection})  # type: ignore
    from semsearch.cli.app import run
    from semsearch.indexing import pipeline

    commit_by_count_alone(pipeline)
    code = run(arguments)
    if point == 0:
        print(_count)
    sys.stdout.flush()
    os._exit(code)


def commit_by_count_alone(pipeline: Any) -> None:
    """On a busy machine a run commits more often, by the clock: then it has states that another one had not."""
    pipeline._FIRST_COMMIT_SECONDS = float("inf")


def _copy(index: str, copies: str) -> None:
    global _commits
    shutil.copytree(index, os.path.join(copies, str(_commits)))
    _commits += 1


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
