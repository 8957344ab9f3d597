"""The stamp of a file, by which a run tells whether it changed. Imports nothing heavy, as an unchanged run uses it."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os

# Size in bytes, modification time in nanoseconds since the epoch, inode: if they are the same, so is the file. Each
# fits the integers of SQLite, which have 64 bits with a sign.
Stamp = tuple[int, int, int]

_LIMIT = 1 << 63


def stamp_of_status(status: "os.stat_result") -> Stamp:
    """The stamp of a file with this `status`.

    Times after 2262 or before 1677, which some file systems keep, become the last or first one that fits; a file with
    such a time is compared by its size and inode. Inodes of 64 bits without a sign, as network file systems give them,
    become negative.
    """
    mtime_ns, inode = status.st_mtime_ns, status.st_ino
    if not -_LIMIT <= mtime_ns < _LIMIT:
        mtime_ns = _LIMIT - 1 if mtime_ns > 0 else -_LIMIT
    return status.st_size, mtime_ns, inode if inode < _LIMIT else inode - 2 * _LIMIT
