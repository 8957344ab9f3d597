"""The fast path of `index`: if nothing has changed, it is answered without importing the full command.

cron may run `index` every few minutes. This module understands `index [DIR...] [-i PATH] [-q] [--json]` and the flags
that make no difference if there is nothing to do. It holds the writer's lock while it compares the folders. In all
other cases the full command runs, and uses the comparison.
"""

import fcntl
import os
import time

from semsearch import settings
from semsearch.errors import SemsearchError
from semsearch.ownership import check_written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from semsearch.sources.differences import StatCheck


def answer(arguments: list[str]) -> "tuple[bool, StatCheck | None]":
    """(whether the command is answered, how the folders differ from the index if they were compared).

    If nothing has changed, the result of `index` is printed; else nothing is.
    """
    started = time.perf_counter()
    parsed = _parse(arguments)
    if parsed is None:
        return False, None
    if settings.effective("ocr")[0]:
        return False, None  # what needed OCR before may be read now
    roots, index, quiet, as_json, seconds = parsed
    roots = [os.path.abspath(root) for root in roots]
    if not all(map(os.path.isdir, roots)):
        return False, None
    path = settings.index_for_writing(index, roots)
    checked = compared(path, roots, None if seconds is None else lambda: time.perf_counter() - started > seconds)
    if checked is None or not checked.nothing_changed():
        return False, checked
    checked.report.seconds["total"] = time.perf_counter() - started
    from semsearch.cli import render
    from semsearch.private_files import narrow

    if notice := narrow(path):
        render.announce(notice)
    render.index_report(checked.report, quiet=quiet, as_json=as_json)
    return True, checked


def compared(path: str, roots: list[str], stopping: "Callable[[], bool] | None" = None) -> "StatCheck | None":
    """How `roots` (absolute paths; none: all folders of the index) differ from the index at `path`; None where the full
    command must decide. Where nothing does, that was a run of `index`, whose time `status` prints.
    """
    if not os.path.isfile(os.path.join(path, settings.CATALOG_FILE)) or os.path.exists(
        os.path.join(path, settings.CATALOG_FILE + "-wal")
    ):
        return None
    from semsearch.store.local.stat_check import stat_check

    try:
        lock = os.open(os.path.join(path, "lock"), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        check_written(path, [os.path.join(path, settings.CATALOG_FILE)], settings.trusted())
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        checked = stat_check(path, roots, stopping)
        if checked is not None and checked.nothing_changed():
            os.utime(lock)
        return checked
    except (OSError, SemsearchError):
        return None
    finally:
        os.close(lock)


def _parse(arguments: list[str]) -> tuple[list[str], str | None, bool, bool, int | None] | None:
    """(folders, index, quiet, as JSON, seconds of `--max-time`) of the arguments after `index`.

    None where the full command must parse them.
    """
    roots: list[str] = []
    index, quiet, as_json, seconds = None, False, False, None
    remaining = iter(arguments)
    for argument in remaining:
        if argument in ("-i", "--index"):
            if index is not None:
                return None  # the full command refuses several
            index = next(remaining, None)
            if index is None:
                return None
        elif argument in ("-q", "--quiet"):
            quiet = True
        elif argument == "--json":
            as_json = True
        elif argument in ("--newest-first", "--wait"):
            pass
        elif argument == "--max-time":
            # Only what is a time for certain; the full command checks everything else.
            number = next(remaining, "")
            unit = {"s": 1, "m": 60, "h": 3600}.get(number[-1:])
            number = number[:-1] if unit else number
            if not (number.isascii() and number.isdecimal() and number[0] != "0" and len(number) < 6):
                return None
            seconds = int(number) * (unit or 1)
        elif argument.startswith(("-", "~")) or not argument:
            return None
        else:
            roots.append(argument)
    return roots, index, quiet, as_json, seconds
