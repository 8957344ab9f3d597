"""`index --watch`: runs `index` whenever something below the folders changes."""

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

from semsearch import settings
from semsearch.cli import render
from semsearch.cli.progress import progress
from semsearch.errors import SemsearchError
from semsearch.indexing import IndexOptions, index_folders
from semsearch.store.opening import read_index

# Changes that follow each other are one run: it begins when nothing has changed for the step, or at the latest so long
# after the first change.
_STEP_MS = 200
_LONGEST_WAIT_MS = 5000
# Also runs so often without an event: systems lose some, and folders come back.
_RUN_ANYWAY_SECONDS = 600
# A run that failed is tried again after so long, then after twice as long, and so on up to the above.
_FIRST_PAUSE_SECONDS = 5.0
_LISTEN_MS = 1000


def watch_folders(
    folders: Sequence[str], index: str | None, options: IndexOptions, *, quiet: bool, as_json: bool
) -> None:
    """Runs `index` now and after every change, until it is interrupted.

    Errors of the first run are raised, those of later ones printed; such a run is tried again, after the next change or
    a pause that grows.
    """
    from watchfiles import watch

    roots = [os.path.abspath(os.path.expanduser(folder)) for folder in folders]
    path = settings.index_for_writing(index, roots)
    # Not in the loop: its errors are raised.
    _run(folders, path, options, quiet, as_json, always_report=True)
    # Rebuilding, pruning and retrying are for the first run only; later ones wait for other writers.
    later = replace(options, rebuild=False, prune=False, retry=False, token_vectors=None, wait=True)
    watched = roots or _indexed_folders(path)
    is_relevant = _outside_of(path)
    # The second run finds what changed between the first run and the start of watching.
    caught_up, last = False, time.monotonic()
    failures = _Failures()
    events = watch(
        *watched, watch_filter=is_relevant, debounce=_LONGEST_WAIT_MS, step=_STEP_MS, rust_timeout=_LISTEN_MS,
        yield_on_timeout=True, raise_interrupt=True, ignore_permission_denied=True,
    )  # fmt: skip
    for changes in events:
        if changes or not caught_up or failures.is_due() or time.monotonic() - last > _RUN_ANYWAY_SECONDS:
            last = time.monotonic()
            try:
                # After a failure a line says that it works again.
                caught_up = _run(folders, path, later, quiet, as_json, always_report=failures.count > 0)
                failures = _Failures()
            except SemsearchError as error:
                caught_up = True
                failures.add(error.message + (f" ({error.hint})" if error.hint else ""))
            except (OSError, sqlite3.Error) as error:  # such as a full disk, which may have room again
                caught_up = True
                failures.add(str(error))


class _Failures:
    """Runs that failed one after another, and when to try the next one: servers come back, disks are emptied."""

    def __init__(self) -> None:
        self.count = 0
        self._next = 0.0
        self._said = ""

    def add(self, message: str) -> None:
        """Notes a run that failed, and says why, unless that was said of the one before."""
        pause = min(_FIRST_PAUSE_SECONDS * 2 ** min(self.count, 10), _RUN_ANYWAY_SECONDS)
        self.count += 1
        self._next = time.monotonic() + pause
        if message != self._said:
            self._said = message
            render.announce(f"{message}; it is tried again until it works")

    def is_due(self) -> bool:
        """Whether it is time to try again."""
        return self.count > 0 and time.monotonic() >= self._next


def _indexed_folders(path: str) -> list[str]:
    """The folders that the index at `path` holds."""
    return [root.path for root in read_index(path, lambda snapshot: snapshot.info().roots) if root.is_here]


def _outside_of(path: str) -> Callable[[object, str], bool]:
    """A filter for `watchfiles`: whether a changed path, with links resolved, is outside of the index at `path`."""
    index = os.path.realpath(path)
    inside = index + os.sep
    folders = lru_cache(maxsize=1000)(os.path.realpath)

    def is_relevant(change: object, changed: str) -> bool:
        real = os.path.join(folders(os.path.dirname(changed)), os.path.basename(changed))
        return real != index and not real.startswith(inside)

    return is_relevant


def _run(
    folders: Sequence[str], path: str, options: IndexOptions, quiet: bool, as_json: bool, always_report: bool
) -> bool:
    """Runs `index` once and returns whether nothing is left to do.

    The result is printed if anything changed, or with `always_report`.
    """
    with progress(quiet) as bars:
        report = index_folders(folders, path, options, bars)
    changed = any(count for name, count in report.files.items() if name != "unchanged") or report.chunks["encoded"]
    if always_report or changed:
        render.index_report(report, quiet=quiet, as_json=as_json)
    return not report.left and not (options.embed and report.chunks["pending"])
