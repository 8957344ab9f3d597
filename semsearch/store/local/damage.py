"""How damage of an index folder is told: what is damaged, and the command that repairs it; whose an error is."""

import os
import sqlite3

from semsearch.errors import IndexDamagedError, for_shell
from semsearch.settings import CATALOG_FILE


def repair_hint(folder: str) -> str:
    """What to do about a damaged index `folder`."""
    return f"repair it with: semsearch verify --repair --index {for_shell(folder)}"


def catalog_damaged(folder: str, what: object) -> IndexDamagedError:
    """The error for a catalog of the index `folder` that holds what no writer put there."""
    return IndexDamagedError(f"{os.path.join(folder, CATALOG_FILE)} is damaged: {what}", repair_hint(folder))


def refuse_link(folder: str, name: str) -> None:
    """Raises `IndexDamagedError` where `name` in the index `folder` is a link, which may lead anywhere."""
    path = os.path.join(folder, name)
    if os.path.islink(path):
        raise IndexDamagedError(f"{path} is a link", f"remove {for_shell(folder)} and index again")


class unreadable_as_damage:  # used like a function; `contextlib` costs an import on the stat check's path
    """Context manager: a file of the index `folder` that cannot be opened or read is damage of the index.

    That a permission, memory or a free descriptor is missing is no damage, and stays the `OSError` that it is.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and not isinstance(error, PermissionError):
            from semsearch.shortage import shortage_of

            if shortage_of(error):
                return
            where = error.filename or self._folder
            raise IndexDamagedError(f"{where}: {error.strerror or error}", repair_hint(self._folder)) from None


class about_index:
    """Context manager: an error of SQLite notes the index `folder` that it is about, and one of the disk that names no
    file has the folder as its name.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        name_index(error, self._folder)


def name_index(error: BaseException | None, folder: str) -> None:
    """See `about_index`."""
    if isinstance(error, sqlite3.Error):
        error.add_note(folder)
    elif isinstance(error, OSError) and error.filename is None:
        from semsearch.shortage import OF_A_DISK

        if error.errno in OF_A_DISK:
            error.filename = folder
