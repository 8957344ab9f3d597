"""Opens regular files only, without ever waiting for a pipe; their stamps and content hashes."""

import hashlib
import os
import stat
from io import BufferedReader
from typing import NamedTuple

from semsearch.errors import ReadError


class Stamp(NamedTuple):
    """Size in bytes, modification time in nanoseconds since the epoch, inode: if they are the same, so is the file."""

    size: int
    mtime_ns: int
    inode: int


def open_regular(path: str) -> BufferedReader:
    """The file at `path`, opened for reading. Raises `OSError`, or `ReadError` (skip) for a pipe, socket or device."""
    # Without O_NONBLOCK, opening a pipe that nobody writes to waits for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ReadError("not a regular file", skip=True)
    return open(descriptor, "rb")


def stamp_of(file: BufferedReader) -> Stamp:
    """The stamp of the open `file`."""
    status = os.fstat(file.fileno())
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ino)


def digest_of(file: BufferedReader) -> bytes:
    """The content hash of the open `file`: 16 bytes of BLAKE2b. `file` is at its start before and after."""
    digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
    file.seek(0)
    return digest
