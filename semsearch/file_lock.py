"""The lock that lets only one process write an index: flock(2) on a file in the index folder.

The system releases it when its process ends, however that happens.
"""

import fcntl
import os
from types import TracebackType

from semsearch import private_files
from semsearch.errors import LockedError


class WriterLock:
    """Takes the lock on the file at `path`, and writes the process id into it.

    If another process has it: waits for it with `wait`, else raises `LockedError`.
    """

    def __init__(self, path: str, wait: bool) -> None:
        self._descriptor = private_files.create(path, 0)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            holder = _running_process(os.pread(self._descriptor, 100, 0))
            os.close(self._descriptor)
            raise LockedError(
                f"another run is writing {os.path.dirname(path)}" + (f" (process {holder})" if holder else ""),
                "wait for it with --wait, or try again later",
            ) from None
        except BaseException:
            os.close(self._descriptor)
            raise
        before = os.fstat(self._descriptor)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        # The modification time of the file is that of the last finished run (`stamp`), not of the last attempt. In an
        # index that is shared, only who made the file can set it to another time than now.
        if before.st_size and before.st_uid == os.geteuid():
            os.utime(self._descriptor, ns=(before.st_atime_ns, before.st_mtime_ns))

    def stamp(self) -> None:
        """Sets the time of the last finished run, which `status` prints, to now."""
        os.utime(self._descriptor)

    def __enter__(self) -> "WriterLock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)  # the file stays: if it were removed, two writers could lock two files


def _running_process(content: bytes) -> str:
    """The process id in `content`, that of the lock file; empty if no such process runs.

    An unchanged run of `index` takes the lock without writing its process id, so that the id may be an old one.
    """
    try:
        os.kill(int(content), 0)
    except PermissionError:
        pass
    except (ValueError, OverflowError, OSError):
        return ""
    return str(int(content))
