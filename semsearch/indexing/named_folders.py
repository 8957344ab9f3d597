"""Which folders the user of this machine has named for an index in a database.

Whoever may write the database could add any folder of this machine to those that the index has, and the next run would
send him what is in it. So a run goes through those alone that were named here; an index in a folder has owners for that
(`ownership`).
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Sequence

from semsearch import settings
from semsearch.errors import SemsearchError, for_shell
from semsearch.private_files import create, make_folders
from semsearch.store.opening import place_of


def remember(location: str, folders: Sequence[str]) -> None:
    """Notes that `folders` (absolute paths) are to be in the index at `location`."""
    if set(folders) <= set(named(location)):
        return
    try:
        _add(location, folders)
    except OSError as error:
        raise SemsearchError(
            f"cannot note in {os.path.dirname(_path())} which folders of this machine are to be indexed:"
            f" {error.strerror}",
            "let XDG_STATE_HOME name a folder that you can write to",
            code="not_writable",
        ) from None


def _add(location: str, folders: Sequence[str]) -> None:
    path = _path()
    make_folders(os.path.dirname(path))
    if not os.path.lexists(path + ".lock"):
        with contextlib.suppress(FileExistsError):
            os.close(create(path + ".lock"))
    with open(path + ".lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs may note something at once
        known, key = _known(), _key(location)
        known[key] = list(dict.fromkeys([*known.get(key, []), *folders]))
        working = f"{path}.new"
        if os.path.lexists(working):
            os.unlink(working)
        with os.fdopen(create(working), "w", encoding="utf-8") as file:
            json.dump(known, file)
        os.replace(working, path)


def named(location: str) -> list[str]:
    """The folders that were named on this machine for the index at `location`."""
    return _known().get(_key(location), [])


def check(location: str, folders: Sequence[str]) -> None:
    """Raises `SemsearchError` for one of `folders` that nobody has named here for the index at `location`."""
    known = named(location)
    for folder in folders:
        if folder not in known:
            raise SemsearchError(
                f"{location} says that {folder} is a folder of this machine, called {settings.host_name()}, but this"
                " user has not named it for that index",
                f"if it is to be indexed: semsearch index {for_shell(folder)} --index {for_shell(location)}; what a"
                " machine had that is no more is taken out where there is no such folder",
                code="not_trusted",
            )


def _key(location: str) -> str:
    """Of the folders that were named for the index at `location` as those of this machine: who looks after what
    another one has, under its name (`SEMSEARCH_HOST`), means no folder of his own."""
    return f"{settings.host_name()} {place_of(location)}"


def _known() -> dict[str, list[str]]:
    try:
        with open(_path(), encoding="utf-8") as file:
            known = json.load(file)
    except FileNotFoundError:
        return {}
    except ValueError:
        return {}  # cut off by a full disk: folders are named again
    return {str(key): list(map(str, value)) for key, value in known.items()} if isinstance(known, dict) else {}


def _path() -> str:
    return os.path.join(settings.state_folder(), "folders.json")
