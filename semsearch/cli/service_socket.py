"""Where the service for the command line listens, and what both sides of its socket say.

A client sends the size of its request in 8 bytes, with descriptors of its standard streams and its working folder; then
the request, fields that end with a NUL byte. The service answers `ACCEPTED`, the client `GO`, and from then on the
command runs: the client sends numbers of signals, the service the exit code when the command has ended. A client that
gets no answer within `ANSWER_SECONDS` runs the command itself, and the service, which has not heard `GO`, does not.

Imports nothing heavy: a command looks for the service before anything else.
"""

import os
import sys

from semsearch import __version__

ACCEPTED, GO = b"a", b"g"
ANSWER_SECONDS = 2.0
# Of one request: what the system lets a process have as arguments and environment (execve(2)), and some more.
MAX_REQUEST_BYTES = 8 * 1024 * 1024
# The socket's name, and that of the lock that the one service holds.
SOCKET, LOCK = "commands.sock", "service.lock"
# What libraries and the interpreter read only once, when they are loaded: a client whose variables of these names are
# others than the service's would not get what it gets alone.
_READ_ONCE = (
    "PYTHON", "LC_", "LD_", "DYLD_", "OMP_", "KMP_", "GOMP_", "OPENBLAS_", "MKL_", "BLIS_", "HF_", "HUGGINGFACE_",
    "TRANSFORMERS_", "SENTENCE_TRANSFORMERS_", "TORCH", "PYTORCH_", "CUDA_", "ORT_", "ONNX", "TOKENIZERS_", "RAYON_",
    "FAISS_", "NPY_", "MALLOC_", "GLIBC_",
)  # fmt: skip
_READ_ONCE_ALONE = ("LANG", "LANGUAGE", "TZ")


def service_folder() -> str:
    """The folder of the service's socket, which need not be there: private to the user, and the same for all of the
    user's processes, whatever their environment is."""
    user = os.geteuid()
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{user}"
    return os.path.join(runtime, "semsearch") if os.path.isdir(runtime) else f"/tmp/semsearch-{user}"


def is_private(folder: str) -> bool:
    """Whether `folder` is there, and nobody else can put anything into it."""
    try:
        status = os.lstat(folder)
    except OSError:
        return False
    # By numbers: `stat` is not light.
    return status.st_mode & 0o170077 == 0o040000 and status.st_uid == os.geteuid()


def identity() -> bytes:
    """What a client and a service must have in common to give the same answers: this installation of semsearch, and the
    variables that are read only once."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    read_once = sorted(
        f"{name}={value}"
        for name, value in os.environ.items()
        if value and (name.startswith(_READ_ONCE) or name in _READ_ONCE_ALONE)
    )
    made = os.stat(os.path.join(package, "__init__.py")).st_mtime_ns
    return os.fsencode("\n".join([__version__, package, str(made), sys.executable, *read_once]))
