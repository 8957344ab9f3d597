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


def remember(location: str, folders: Sequence[str]) -> None:
    """Notes that `folders` (absolute paths) are to be in the index at `location`."""
    if set(folders) <= set(named(location)):
        return
    path = _path()
    make_folders(os.path.dirname(path))
    if not os.path.lexists(path + ".lock"):
        with contextlib.suppress(FileExistsError):
            os.close(create(path + ".lock"))
    with open(path + ".lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs may note something at once
        known = _known()
        known[location] = list(dict.fromkeys([*known.get(location, []), *folders]))
        working = f"{path}.new"
        if os.path.lexists(working):
            os.unlink(working)
        with os.fdopen(create(working), "w", encoding="utf-8") as file:
            json.dump(known, file)
        os.replace(working, path)


def named(location: str) -> list[str]:
    """The folders that were named on this machine for the index at `location`."""
    return _known().get(location, [])


def check(location: str, folders: Sequence[str]) -> None:
    """Raises `SemsearchError` for one of `folders` that nobody has named here for the index at `location`."""
    known = named(location)
    for folder in folders:
        if folder not in known:
            raise SemsearchError(
                f"{location} says that {folder} is one of its folders, but nobody has named it on this machine",
                f"if it is to be indexed: semsearch index {for_shell(folder)} --index {for_shell(location)}",
                code="not_trusted",
            )


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
