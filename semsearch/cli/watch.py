"""`index --watch`: a run whenever something below the folders changed."""

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

# A burst of changes is one run: it begins when nothing happened for the step, or this long after the first change.
_STEP_MS = 200
_LONGEST_WAIT_MS = 5000
# Looked at again without a cause: a system that loses events, a folder that came back.
_LOOK_AGAIN_SECONDS = 600
_LISTEN_MS = 1000


def watch_folders(
    folders: Sequence[str], index: str | None, options: IndexOptions, *, quiet: bool, as_json: bool
) -> None:
    """Runs `index` now and after every change, until it is interrupted; what goes wrong is told and tried again."""
    from watchfiles import watch

    roots = [os.path.abspath(os.path.expanduser(folder)) for folder in folders]
    path = settings.index_for_writing(index, roots)
    # The first run says what cannot be done at all.
    _run(folders, path, options, quiet, as_json, told=True)
    # Later ones neither rebuild nor drop anew what the first was told to, and wait for other writers.
    later = replace(options, rebuild=False, prune=False, retry=False, wait=True)
    watched = roots or _indexed_folders(path)
    matters = _outside_of(path)
    # What changed between the first run and the first look is found by the second run.
    caught_up, last = False, time.monotonic()
    events = watch(
        *watched, watch_filter=matters, debounce=_LONGEST_WAIT_MS, step=_STEP_MS, rust_timeout=_LISTEN_MS,
        yield_on_timeout=True, raise_interrupt=True, ignore_permission_denied=True,
    )  # fmt: skip
    for changes in events:
        if changes or not caught_up or time.monotonic() - last > _LOOK_AGAIN_SECONDS:
            last = time.monotonic()
            try:
                caught_up = _run(folders, path, later, quiet, as_json, told=False)
            except SemsearchError as error:
                caught_up = True
                render.announce(error.message + (f" ({error.hint})" if error.hint else ""))
            except (OSError, sqlite3.Error) as error:  # such as a full disk, which may have room again
                caught_up = True
                render.announce(f"{error}; it is tried again after the next change")


def _indexed_folders(path: str) -> list[str]:
    return [root.path for root in read_index(path, lambda snapshot: snapshot.info().roots)]


def _outside_of(path: str) -> Callable[[object, str], bool]:
    """A filter of changes: whether a path, by whatever links it is reached, is outside of the index at `path`."""
    index = os.path.realpath(path)
    inside = index + os.sep
    folders = lru_cache(maxsize=1000)(os.path.realpath)

    def matters(change: object, changed: str) -> bool:
        real = os.path.join(folders(os.path.dirname(changed)), os.path.basename(changed))
        return real != index and not real.startswith(inside)

    return matters


def _run(folders: Sequence[str], path: str, options: IndexOptions, quiet: bool, as_json: bool, told: bool) -> bool:
    """One run; it is reported when `told`, or when it changed anything. Returns whether it came to its end."""
    with progress(quiet) as bars:
        report = index_folders(folders, path, options, bars)
    changed = any(count for name, count in report.files.items() if name != "unchanged") or report.chunks["encoded"]
    if told or changed:
        render.index_report(report, quiet=quiet, as_json=as_json)
    return not report.left and not (options.embed and report.chunks["pending"])
