"""Opens regular files only, without ever waiting for a pipe; their content hashes."""

import hashlib
import os
from io import BufferedReader

from semsearch.sources.beneath import open_beneath
from semsearch.sources.stamps import Stamp, stamp_of_status


def open_regular(root: str, path: str, follow: bool) -> BufferedReader:
    """The file at `path` beneath the folder `root`, opened for reading. Raises as `beneath.open_beneath`."""
    return open(open_beneath(root, path, follow), "rb")


def stamp_of(file: BufferedReader) -> Stamp:
    """The stamp of the open `file`."""
    return stamp_of_status(os.fstat(file.fileno()))


def digest_of(file: BufferedReader) -> bytes:
    """The content hash of the open `file`: 16 bytes of BLAKE2b. `file` is at its start before and after."""
    digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
    file.seek(0)
    return digest
