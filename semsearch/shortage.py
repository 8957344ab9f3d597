"""Tells what a process lacks (memory, threads, open files, room for a file) from what is wrong with documents, the
index or a model.

Imports nothing heavy: it is asked before anything else is imported.
"""

import errno
import os
import resource

from semsearch.errors import SemsearchError

# Bytes of address space with which numpy, FAISS and ONNX Runtime load. With less, OpenBLAS and ONNX Runtime end the
# process by SIGSEGV. Measured on x86-64 with one thread each: 350 MB for a search, 550 MB for a run of `index`.
LEAST_ADDRESS_SPACE = 640 << 20
# For commands that measure and learn: with 640 MB, FAISS and OpenBLAS end them by SIGSEGV on 2,000 passages, with 700
# they find too little.
LEAST_FOR_MEASURING = 1 << 30
# With less than this, a thread for each core may take all of it before any work is done: 32 MB each in OpenBLAS.
_ROOM_FOR_THREADS = 4 << 30
# With fewer allowed, OpenBLAS may get none of its threads, and then sends this process a SIGINT.
_MANY_PROCESSES = 1024
_FILES = (errno.EMFILE, errno.ENFILE)
# Words of NumPy, FAISS, ONNX Runtime, the dynamic linker and the C library, in lower case.
_NO_MEMORY = (
    "cannot allocate memory", "failed to map segment", "bad_alloc", "failed to allocate memory", "unable to allocate",
    "static tls block", "allocation failed", "defaultcpuallocator", "not enough memory",
)  # fmt: skip
_NO_THREAD = ("can't start new thread", "pthread_create", "resource temporarily unavailable")


# Error number of the operating system -> hint.
_HINTS = {
    errno.ENOSPC: "free some space and run again; nothing that was committed is lost",
    errno.EDQUOT: "free some space and run again; nothing that was committed is lost",
    errno.EACCES: "give yourself permission (chmod), or ask its owner",
    errno.EROFS: "the file system is read-only: choose a place that can be written",
    errno.EIO: "the disk fails, or its connection: check it, then: semsearch verify",
}
# Those of a disk, which may come from a write and then name no file.
OF_A_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG})
NO_SPACE_HINT = _HINTS[errno.ENOSPC]


def as_told(error: OSError) -> SemsearchError:
    """An error of the operating system: which file, what, and what to do."""
    return SemsearchError(_named(error), _HINTS.get(error.errno or 0, ""), code="os")


def _named(error: OSError) -> str:
    name = f"{os.fsdecode(error.filename)}: " if error.filename else ""
    return f"{name}{error.strerror or error}"


def shortage_of(error: BaseException) -> SemsearchError | None:
    """What this process lacks, as `error` says, with what to do; None where it says something else."""
    number = error.errno if isinstance(error, OSError) else None
    text = str(error).lower()
    if number in _FILES or (isinstance(error, ImportError) and "too many open files" in text):
        return _shortage("too many open files", "raise the limit on open files (ulimit -n)")
    if isinstance(error, MemoryError) or number == errno.ENOMEM or any(words in text for words in _NO_MEMORY):
        limit = "" if address_space() is None else ", or raise the limit on it (ulimit -v)"
        return _shortage("not enough memory", f"close other programs{limit}")
    if isinstance(error, OSError) and number == errno.EFBIG:
        return _shortage(_named(error), "raise the limit on file sizes (ulimit -f); nothing that was committed is lost")
    if isinstance(error, BlockingIOError) or any(words in text for words in _NO_THREAD):
        return _shortage("no process or thread can be started", "raise the limit on processes (ulimit -u)")
    return None


def refuse_few_descriptors(path: str) -> None:
    """Raises `OSError` where `path` cannot be opened as often as SQLite opens a catalog, a log and a map of it.

    SQLite itself only says that it cannot open a file.
    """
    opened: list[int] = []
    try:
        for _ in range(4):
            opened.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _shortage(message: str, hint: str) -> SemsearchError:
    return SemsearchError(message, hint, code="shortage")


def file_size() -> int | None:
    """The bytes that a file may have which this process writes (`ulimit -f`); None: no limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return None if soft == resource.RLIM_INFINITY else soft


def free_bytes(path: str) -> int:
    """The bytes that this user may still write on the disk of `path`, a file or folder. Raises `OSError`."""
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


def address_space() -> int | None:
    """The bytes of address space that this process may have (`ulimit -v`); None: no limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft


def check_address_space(least: int = LEAST_ADDRESS_SPACE) -> None:
    """Raises `SemsearchError` where less than `least` bytes are allowed; with little room, or few processes allowed,
    lets libraries have one thread each."""
    limit = address_space()
    processes, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    few_threads = processes != resource.RLIM_INFINITY and processes < _MANY_PROCESSES
    if (limit is None or limit >= _ROOM_FOR_THREADS) and not few_threads:
        return
    if limit is not None and limit < least:
        raise _shortage(
            f"not enough memory: the limit on address space is {limit >> 20:,} MB",
            f"allow {least >> 20:,} MB or more (ulimit -v {least >> 10})",
        )
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
