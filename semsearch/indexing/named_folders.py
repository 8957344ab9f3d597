"""Which folders the user of this machine has named for an index in a database.

Whoever may write the database could add any folder of this machine to those that the index has, and the next run would
send him what is in it. So a run goes through those alone that were named here; an index in a folder has owners for that
(`ownership`).
"""

from collections.abc import Sequence

from semsearch import settings
from semsearch.errors import SemsearchError, for_shell
from semsearch.state_lists import StateLists
from semsearch.store.opening import place_of

_LISTS = StateLists("folders.json", "which folders of this machine are to be indexed")


def remember(location: str, folders: Sequence[str]) -> None:
    """Notes that `folders` (absolute paths) are to be in the index at `location`. Raises `SemsearchError`."""
    _LISTS.add(_key(location), folders)


def named(location: str) -> list[str]:
    """The folders that were named on this machine for the index at `location`."""
    return _LISTS.of(_key(location))


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
