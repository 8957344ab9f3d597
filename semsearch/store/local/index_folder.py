"""The folder of an index: made with what other programs need to leave it alone, refused where it holds other things."""

import errno
import os

from semsearch.errors import IndexDamagedError, SemsearchError, for_shell
from semsearch.ownership import check_written
from semsearch.private_files import create, make_folders, narrow
from semsearch.settings import CATALOG_FILE, INDEX_FOLDER, trusted
from semsearch.store.local.damage import refuse_link
from semsearch.store.local.segment_folder import SEGMENTS_FOLDER

_TAG = "CACHEDIR.TAG"
# file name -> content of the two files every index folder holds for other programs' sake.
_MARKERS = {
    ".gitignore": "*\n",
    _TAG: "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This folder is a semsearch index; it can be made again.\n# https://bford.info/cachedir/\n",
}
_DATABASE_FILES = tuple(CATALOG_FILE + suffix for suffix in ("", "-wal", "-shm", "-journal"))


def make_folder(index: str) -> list[str]:
    """Makes the index folder where there is none; returns what the user is to be told.

    Raises `SemsearchError` where it cannot be one, may not be written, or belongs to another user.
    """
    if os.path.isdir(index):
        # First whose it is: a permission that its owner alone can give is no way out for others.
        files = [os.path.join(index, CATALOG_FILE)] if os.access(index, os.X_OK) else []
        check_written(index, files, trusted())
        _check_permission(index, index)
        names = os.listdir(index)
        # An index that could not be made, for want of space, may have no more than these.
        if not (CATALOG_FILE in names or _is_tagged(index) or _MARKERS.keys() >= set(names)):
            raise SemsearchError(
                f"{index} is a folder with other things in it",
                f"name a new one, such as: --index {os.path.join(index, INDEX_FOLDER)}",
                code="not_an_index",
            )
    for name in (*_DATABASE_FILES, "lock", SEGMENTS_FOLDER):
        # An index may come from anywhere; what is written and removed in it must not lie elsewhere.
        path = os.path.join(index, name)
        if not os.path.lexists(path):
            continue
        refuse_link(index, name)
        if not (os.path.isdir(path) if name == SEGMENTS_FOLDER else os.path.isfile(path)):
            what = "no folder" if name == SEGMENTS_FOLDER else "no file"
            raise IndexDamagedError(f"{path} is {what}", f"remove the index and make it anew: rm -r {for_shell(index)}")
        _check_permission(index, path)
    try:
        make_folders(index)
        for name, content in _MARKERS.items():
            path = os.path.join(index, name)
            if not os.path.lexists(path) or not os.path.getsize(path):
                _write(path, content)
        return list(filter(None, [narrow(index)]))
    except OSError as error:
        raise _not_writable(index, index, error.errno or errno.EIO) from None


def _is_tagged(index: str) -> bool:
    """Whether the tag of the folder is ours: other programs tag their caches, too."""
    path = os.path.join(index, _TAG)
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(1000) == _MARKERS[_TAG].encode("ascii")


def _write(path: str, content: str) -> None:
    """Writes a file that is not there, or empty since a run was killed: all of it or nothing."""
    with open(create(path, 0), "w", encoding="ascii") as file:
        try:
            file.write(content)
            file.flush()
        except OSError:
            os.unlink(path)
            raise


def _check_permission(index: str, path: str) -> None:
    """Raises `SemsearchError` where `path`, the folder `index` or something in it, may not be read and written.

    SQLite says no more than that a database is read-only, and it is asked when segments are already written.
    """
    if not os.access(path, os.R_OK | os.W_OK | (os.X_OK if os.path.isdir(path) else 0)):
        read_only = os.statvfs(path).f_flag & os.ST_RDONLY
        raise _not_writable(index, path, errno.EROFS if read_only else errno.EACCES)


def _not_writable(index: str, path: str, number: int) -> SemsearchError:
    """The error for an index of which `path` cannot be written; `number`: that of the system's error."""
    what = f"the index {index}" if path == index else path
    hint = "put the index somewhere else with: --index PATH"
    if number in (errno.ENOSPC, errno.EDQUOT):
        hint = f"free some space, or {hint}"
    elif number == errno.EACCES and os.path.lexists(path):
        hint = f"give yourself permission to write {path}, or {hint}"
    return SemsearchError(f"cannot write {what}: {os.strerror(number)}", hint, code="not_writable")
