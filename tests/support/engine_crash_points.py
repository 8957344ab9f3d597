"""A `semsearch` that ends itself by SIGKILL between the two stores of an index whose vectors a database keeps.

    python -m tests.support.engine_crash_points POINT ARGUMENT...

Points are counted before and after each call that changes the database, and before and after each commit of the
catalog. Where there are fewer than POINT, the run ends as any other.
"""

import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from typing import Any

from semsearch.store.local import connection
from semsearch.store.postgres import connection as postgres
from semsearch.vector_engines import opening

CHANGING = ("ensure", "upsert", "delete", "drop")


def main(point: int, arguments: list[str]) -> None:
    count = 0

    def passed(what: str) -> None:
        nonlocal count
        count += 1
        if count == point:
            sys.stderr.write(f"killed {what}\n")
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            passed(f"before {name}")
            result = function(*given, **named)
            passed(f"after {name}")
            return result

        return call

    class Connection(connection.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            execute = super().execute
            return (watched(sql, execute) if sql == "COMMIT" else execute)(sql, *parameters)

    connect = sqlite3.connect
    sqlite3.connect = lambda *given, **named: connect(*given, **{**named, "factory": Connection})  # type: ignore
    script = postgres.Connection.script

    def scripted(self: postgres.Connection, statements: str) -> Any:
        ask = watched(statements, script) if statements == "COMMIT" else script
        return ask(self, statements)

    postgres.Connection.script = scripted  # type: ignore[method-assign]
    open_engine = opening.open_engine

    def opened(url: str) -> Any:
        engine = open_engine(url)
        for name in CHANGING:
            setattr(engine, name, watched(name, getattr(engine, name)))
        return engine

    opening.open_engine = opened
    from semsearch.cli.app import run

    code = run(arguments)
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
