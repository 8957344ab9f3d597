"""`catalog.crc`: a checksum of a small catalog, there while nobody writes.

SQLite notices where its structure is damaged, not where a byte of its content is another. The writer removes the
checksum before its first commit and writes it when it ends, so that one that is there belongs to what `catalog.db`
holds. One that does not match stays until the damage is repaired: it is all that tells of it. A catalog above the limit
has none: reading all of it would cost more than a search, or than a run with one changed file.
"""

import mmap
import os
import stat
import zlib

from semsearch.errors import IndexDamagedError, for_shell
from semsearch.settings import CATALOG_FILE

CHECKSUM_FILE = "catalog.crc"
_LARGEST = 16 * 1024 * 1024
_DAMAGED = "damaged\n"


def remove_checksum(folder: str) -> bool:
    """Removes the checksum of the index `folder`, or what stands in its place; returns whether there was any."""
    return _remove(os.path.join(folder, CHECKSUM_FILE))


def write_checksum(folder: str) -> None:
    """Records what the catalog of `folder` is now, if it is small. Nobody may be writing it."""
    catalog = os.path.join(folder, CATALOG_FILE)
    log = catalog + "-wal"
    if os.path.getsize(catalog) > _LARGEST or (os.path.exists(log) and os.path.getsize(log)):
        remove_checksum(folder)  # of what it was before
        return
    _write(folder, f"{_checksum(catalog):08x}\n")


def mark_damaged(folder: str) -> None:
    """Makes `check_catalog` raise until the checksum is removed or written."""
    _write(folder, _DAMAGED)


def check_catalog(folder: str, writing: bool = False) -> None:
    """Raises `IndexDamagedError` when the catalog is not what its checksum says, or is marked as damaged.

    `writing`: somebody may be, so that only the mark counts. Without a checksum nothing is checked.
    """
    path, catalog = os.path.join(folder, CHECKSUM_FILE), os.path.join(folder, CATALOG_FILE)
    try:
        regular = stat.S_ISREG(os.lstat(path).st_mode)
        recorded = b""
        if regular:  # a pipe would keep the reader waiting
            with open(path, "rb") as file:
                recorded = file.read(64)
    except FileNotFoundError:
        return
    if writing and recorded != _DAMAGED.encode("ascii"):
        return
    if recorded != f"{_checksum(catalog):08x}\n".encode("ascii"):
        hint = f"repair it with: semsearch verify --repair --index {for_shell(folder)}"
        raise IndexDamagedError(f"{catalog} is not what was written", hint)


def _write(folder: str, text: str) -> None:
    path = os.path.join(folder, CHECKSUM_FILE)
    if os.path.isdir(path):
        _remove(path)
    _remove(path + ".new")
    from semsearch.private_files import create  # nothing that only reads has use for it

    with open(create(path + ".new"), "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + ".new", path)


def _remove(path: str) -> bool:
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            import shutil  # 6 ms, which the run that finds nothing changed has no use for

            shutil.rmtree(path)  # nothing of ours
        else:
            os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def _checksum(path: str) -> int:
    # CRC-32 misses no change of a single byte.
    if not os.path.getsize(path):
        return 0
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return zlib.crc32(data)
