"""Where the service for the command line listens, and what both sides of its socket say.

A client sends the size of its request in 8 bytes and the request, fields that end with a NUL byte. The service answers
`ACCEPTED` if it would give the same answer as the command alone. The client sends `GO` with the descriptors of its
standard streams and its working folder. The command says `STARTED`; a client that hears nothing before the connection
ends runs it by itself. Then the client sends numbers of signals, and the service the exit code at the end.

Imports nothing heavy: a command looks for the service before anything else.
"""

import os
import sys

from semsearch import __version__

ACCEPTED, GO, STARTED = b"a", b"g", b"s"
# How long a client waits for a service before it works by itself.
ANSWER_SECONDS = 1.0
# Of one request: what the system lets a process have as arguments and environment (execve(2)), and some more.
MAX_REQUEST_BYTES = 8 * 1024 * 1024
# The socket's name, and that of the lock that the one service holds.
SOCKET, LOCK = "commands.sock", "service.lock"
# It was tried nowhere else: what a fork may do after libraries were used differs between systems.
IS_SUPPORTED = sys.platform == "linux"
# What libraries and the interpreter read only once, when they are loaded: a client whose variables of these names are
# others than the service's would not get what it gets alone.
_READ_ONCE = (
    "PYTHON", "LC_", "LD_", "OMP_", "KMP_", "GOMP_", "OPENBLAS_", "MKL_", "BLIS_", "HF_", "HUGGINGFACE_",
    "TRANSFORMERS_", "SENTENCE_TRANSFORMERS_", "TORCH", "PYTORCH_", "CUDA_", "ORT_", "ONNX", "TOKENIZERS_", "RAYON_",
    "FAISS_", "NPY_", "MALLOC_", "GLIBC_",
)  # fmt: skip
_READ_ONCE_ALONE = ("LANG", "LANGUAGE", "TZ")
_NAMESPACES = ("mnt", "net", "pid", "user")


def service_folder() -> str:
    """The folder of the service's socket, which need not be there: private to the user, and the same for all of the
    user's processes, whatever their environment is."""
    user = os.geteuid()
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{user}"
    try:
        is_ours = os.stat(runtime).st_uid == user
    except OSError:
        is_ours = False
    return os.path.join(runtime, "semsearch") if is_ours else f"/tmp/semsearch-{user}"


def is_private(folder: str) -> bool:
    """Whether `folder` is there, and nobody else can put anything into it."""
    try:
        status = os.lstat(folder)
    except OSError:
        return False
    # By numbers: `stat` is not light.
    return status.st_mode & 0o170077 == 0o040000 and status.st_uid == os.geteuid()


def identity() -> bytes:
    """What a client and a service must have in common to give the same answers: this installation of semsearch, what is
    read only once, and what the system lets either of them do and see."""
    import resource

    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    installed = [package, *(path for path in sys.path if path.endswith(("site-packages", "dist-packages")))]
    folders = [one.path for one in os.scandir(package) if one.is_dir() and one.name != "__pycache__"]
    limits = (
        resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_DATA, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE,
    )  # fmt: skip
    root = os.stat("/")
    fields = [
        __version__,
        sys.executable,
        repr(sys.flags),
        *(f"{path} {os.stat(path).st_mtime_ns}" for path in sorted(installed + folders) if os.path.isdir(path)),
        repr([resource.getrlimit(one) for one in limits]),
        repr([os.getresuid(), os.getresgid(), sorted(os.getgroups()), os.getpriority(os.PRIO_PROCESS, 0)]),
        repr([sorted(os.sched_getaffinity(0)), root.st_dev, root.st_ino]),
        *(os.readlink(f"/proc/self/ns/{name}") for name in _NAMESPACES),
        *sorted(
            f"{name}={value}"
            for name, value in os.environ.items()
            if value and (name.startswith(_READ_ONCE) or name in _READ_ONCE_ALONE)
        ),
    ]
    return os.fsencode("\n".join(fields)).replace(b"\0", b"")


def is_same_user(credentials: bytes) -> bool:
    """Whether the other side of a socket is this user; `credentials`: the value of SO_PEERCRED, a `struct ucred`."""
    return int.from_bytes(credentials[4:8], sys.byteorder) == os.geteuid()


CREDENTIALS_BYTES = 12
