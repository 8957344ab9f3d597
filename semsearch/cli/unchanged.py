"""`index` when nothing changed, answered in the time of the walk: cron asks every few minutes.

Understands the plain forms `index [DIR...] [-i PATH] [-q] [--json]`, and the flags that change nothing where there is
nothing to do; holds the writer's lock while it looks. Everything else is for the full command, which goes on from what
was seen.
"""

import fcntl
import gc
import os
import time

from semsearch import settings
from semsearch.errors import SemsearchError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from semsearch.sources.differences import StatCheck


def answer(arguments: list[str]) -> "tuple[bool, StatCheck | None]":
    """Prints what `index` prints when all is up to date: (True, ...); else (False, what was seen), nothing printed."""
    started = time.perf_counter()
    gc.disable()  # tens of thousands of tuples, and none of them garbage: a tenth of the time
    try:
        return _answer(arguments, started)
    finally:
        gc.enable()


def _answer(arguments: list[str], started: float) -> "tuple[bool, StatCheck | None]":
    parsed = _parse(arguments)
    if parsed is None:
        return False, None
    roots, index, quiet, as_json = parsed
    roots = [os.path.abspath(root) for root in roots]
    path = settings.index_for_writing(index, roots)
    if not os.path.isfile(os.path.join(path, settings.CATALOG_FILE)) or os.path.exists(
        os.path.join(path, settings.CATALOG_FILE + "-wal")
    ):
        return False, None
    from semsearch.store.local.stat_check import stat_check

    try:
        lock = os.open(os.path.join(path, "lock"), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False, None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        seen = stat_check(path, roots)
        if seen is None or not seen.nothing_changed():
            return False, seen
        os.utime(lock)  # when the last run was, for `status`
    except (OSError, SemsearchError):
        return False, None
    finally:
        os.close(lock)
    seen.report.seconds["total"] = time.perf_counter() - started
    from semsearch.cli import render

    render.index_report(seen.report, quiet=quiet, as_json=as_json)
    return True, seen


def _parse(arguments: list[str]) -> tuple[list[str], str | None, bool, bool] | None:
    roots: list[str] = []
    index, quiet, as_json = None, False, False
    waiting = iter(arguments)
    for argument in waiting:
        if argument in ("-i", "--index"):
            index = next(waiting, None)
            if index is None:
                return None
        elif argument in ("-q", "--quiet"):
            quiet = True
        elif argument == "--json":
            as_json = True
        elif argument in ("--newest-first", "--wait"):
            pass
        elif argument == "--max-time":
            # What is certainly a time; whether anything else is one is for the full command to say.
            number = next(waiting, "")
            number = number[:-1] if number.endswith(("s", "m", "h")) else number
            if not (number.isascii() and number.isdecimal() and number[0] != "0" and len(number) < 6):
                return None
        elif argument.startswith(("-", "~")) or not argument:
            return None
        else:
            roots.append(argument)
    return roots, index, quiet, as_json
