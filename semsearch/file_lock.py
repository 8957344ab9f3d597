"""The lock of the one writer: flock(2) on a file of the index folder, so that it ends with its process."""

import fcntl
import os
from types import TracebackType

from semsearch.errors import LockedError


class WriterLock:
    """Held while an index is written; says in the file who holds it. Raises `LockedError` unless `wait`."""

    def __init__(self, path: str, wait: bool) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            holder = _living(os.pread(self._descriptor, 100, 0))
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
        # Its time tells when folders were last compared (`stamp`), not when somebody tried.
        if before.st_size:
            os.utime(self._descriptor, ns=(before.st_atime_ns, before.st_mtime_ns))

    def stamp(self) -> None:
        """Notes that all is up to date now, for `status`."""
        os.utime(self._descriptor)

    def __enter__(self) -> "WriterLock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)  # the file stays: removing it would let two writers lock two files


def _living(content: bytes) -> str:
    """The process id in the file, if there is such a process; a quick look at the folders does not write its own."""
    try:
        os.kill(int(content), 0)
    except PermissionError:
        pass
    except (ValueError, OverflowError, OSError):
        return ""
    return str(int(content))
