"""Remembers where the results of the last search stand, for `semsearch open N`: a file for each terminal.

They lie in the user's state folder and are the user's alone: places of files, and neither the query nor any text.
Bounded: so many results, of the terminals that were searched in last. Those of a terminal are kept until another search
prints results there.
"""

import contextlib
import json
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from semsearch import private_files, settings
from semsearch.errors import UsageError

if TYPE_CHECKING:
    from semsearch.retrieval.hit import Hit
    from semsearch.retrieval.protocol import SearchEngine

_PREFIX = "results-"
_MOST_TERMINALS = 20
_MOST_RESULTS = 200
# Bytes of a file; one that is larger was not written here. A path has at most 4,096, each six as JSON.
_MOST_BYTES = 16_000_000


class ShownPlace(NamedTuple):  # a dataclass would take a millisecond to make, of every search
    """Where a result stands: its `path` as it was shown, the absolute `file`, the page or the 1-based line that was
    told.

    `host`: the machine that it is on, "" where all are on one. `stamp`: size in bytes and time of modification in
    nanoseconds when it was indexed, None where that is not known. `location`: the index it is from, "" where several
    were asked. `searched_on`: the machine that it was shown on, "" where that is this one: homes may be shared.
    """

    path: str
    file: str
    page: int | None
    line: int | None
    host: str = ""
    stamp: tuple[int, int] | None = None
    location: str = ""
    searched_on: str = ""


def place_of(hit: "Hit", page: int | None, line: int | None, location: str) -> ShownPlace:
    """The place of `hit` at `page` and `line`; `location`: as in `ShownPlace`."""
    return ShownPlace(hit.path, hit.file, page, line, hit.host, hit.stamp, location)


def index_of(engine: "SearchEngine") -> str:
    """The index that `engine` searches; "" where it searches several."""
    from semsearch.retrieval.searcher import Searcher

    return engine.index if isinstance(engine, Searcher) else ""


def remember(places: Sequence[ShownPlace]) -> None:
    """Remembers `places`, by their numbers from 1, as those that this terminal shows; nothing where there are none.

    Where it cannot be written, nothing is: a search has done its work by then.
    """
    if places and settings.history():
        with contextlib.suppress(OSError, UsageError):  # the latter of a name that no machine can have
            here = settings.host_name()
            _write(json.dumps([place._replace(searched_on=here)._asdict() for place in places[:_MOST_RESULTS]]))


def last_places() -> list[ShownPlace]:
    """What this terminal has shown last, else what any has; empty where nothing is remembered. Raises `OSError`."""
    own = f"{_terminal()}."
    newest = _newest_first(settings.state_folder())
    for path in sorted(newest, key=lambda path: not os.path.basename(path).startswith(own)):
        if places := _places_in(path):
            return places
    return []


def forget(locations: Sequence[str]) -> None:
    """Forgets all results of the indexes at `locations`, and those of several indexes. Raises `OSError`."""
    for path in _newest_first(settings.state_folder()):
        if all(place.location in ("", *locations) for place in _places_in(path)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def _places_in(path: str) -> list[ShownPlace]:
    """The places that a file holds; empty where it is gone, or cut off as by a full disk. Raises `OSError`."""
    with contextlib.suppress(FileNotFoundError, ValueError, TypeError, RecursionError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            return [_place(record) for record in json.loads(file.read(_MOST_BYTES))]
    return []


def _write(text: str) -> None:
    folder = settings.state_folder()
    private_files.make_folders(folder)
    private_files.narrow(folder)
    own = f"{_terminal()}."
    # A new file each time, which readers take when it is whole: some file systems wait for the disk where one is
    # renamed over another, and a search is not to wait for that.
    with os.fdopen(private_files.create(os.path.join(folder, f"{own}{time.time_ns():020}")), "w") as file:
        file.write(text)
    (_, *older) = _newest_first(folder)
    others = [path for path in older if not os.path.basename(path).startswith(own)]
    for path in {*older} - {*others[: _MOST_TERMINALS - 1]}:
        with contextlib.suppress(FileNotFoundError):  # another search does the same
            os.unlink(path)


def _terminal() -> str:
    """What the files of this terminal begin with. When it was made is told, too: the next window may get its name."""
    for descriptor in (0, 1, 2):
        with contextlib.suppress(OSError):
            terminal = os.ttyname(descriptor)
            name = terminal.removeprefix("/dev/").replace("/", "-").replace(".", "-")
            # Not by the session of this process, which need not be that of the terminal.
            return f"{_PREFIX}{name}-{os.stat(terminal).st_ctime_ns}"
    return f"{_PREFIX}none"


def _newest_first(folder: str) -> list[str]:
    """The files of all terminals, by the moment in their names."""
    try:
        names = [name for name in os.listdir(folder) if name.startswith(_PREFIX)]
    except FileNotFoundError:
        return []
    return [os.path.join(folder, name) for name in sorted(names, key=lambda name: name[-20:], reverse=True)]


def _place(record: dict[str, Any]) -> ShownPlace:
    """Raises `TypeError` or `ValueError` where `record` is none."""
    place = ShownPlace(**record)
    size, changed = place.stamp or (0, 0)
    texts = (place.path, place.file, place.host, place.location, place.searched_on)
    numbers = (place.page, place.line, size, changed)
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(one, int | None) for one in numbers):
        raise ValueError("no place")
    return place._replace(stamp=place.stamp and (size, changed))
