"""Opens files the safe way: only regular ones, never waiting for a pipe; and hashes their content."""

import hashlib
import os
import stat
from io import BufferedReader
from typing import NamedTuple

from semsearch.errors import ReadError


class Stamp(NamedTuple):
    """What tells that a file is unchanged without reading it; times in nanoseconds."""

    size: int
    mtime_ns: int
    inode: int


def open_regular(path: str) -> BufferedReader:
    """`path` for reading. Raises `OSError`, or `ReadError` (skip) when it became a pipe, socket or device."""
    # O_NONBLOCK: opening a pipe that nobody writes to would otherwise wait for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ReadError("not a regular file", skip=True)
    return open(descriptor, "rb")


def stamp_of(file: BufferedReader) -> Stamp:
    found = os.fstat(file.fileno())
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ino)


def digest_of(file: BufferedReader) -> bytes:
    """16 bytes of BLAKE2b over all of `file`, which is left at its start."""
    digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
    file.seek(0)
    return digest
