"""`index --watch`: a run whenever something below the folders changed."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace

from semsearch import settings
from semsearch.cli import render
from semsearch.cli.progress import progress
from semsearch.errors import SemsearchError
from semsearch.indexing import IndexOptions, index_folders
from semsearch.storage.catalog import Catalog

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
    watched = [root for _, root, _ in Catalog.read(path, lambda catalog: catalog.roots())]
    inside = path + os.sep

    def matters(change: object, changed: str) -> bool:
        return not changed.startswith(inside) and changed != path

    caught_up, last = False, time.monotonic()
    events = watch(
        *watched, watch_filter=matters, debounce=_LONGEST_WAIT_MS, step=_STEP_MS, rust_timeout=_LISTEN_MS,
        yield_on_timeout=True, raise_interrupt=True, ignore_permission_denied=True,
    )  # fmt: skip
    for changes in events:
        if changes or not caught_up or time.monotonic() - last > _LOOK_AGAIN_SECONDS:
            # What changed between the first run and the first look is found by the second run.
            caught_up, last = True, time.monotonic()
            try:
                _run(folders, path, later, quiet, as_json, told=False)
            except SemsearchError as error:
                hint = f" ({error.hint})" if error.hint else ""
                render.announce(f"{error.message}{hint}")


def _run(folders: Sequence[str], path: str, options: IndexOptions, quiet: bool, as_json: bool, told: bool) -> None:
    """One run; it is reported when `told`, or when it changed anything."""
    with progress(quiet) as bars:
        report = index_folders(folders, path, options, bars)
    changed = any(count for name, count in report.files.items() if name != "unchanged") or report.chunks["encoded"]
    if told or changed:
        render.index_report(report, quiet=quiet, as_json=as_json)
