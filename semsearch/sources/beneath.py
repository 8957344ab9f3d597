"""Opens what lies beneath a folder, and nothing that a symbolic link leads to.

In a folder that others can write to, any name may become a symbolic link at any moment, also between a check and what
follows it; whoever opens the whole path then reads with its own rights what somebody else has chosen. So each folder on
the way is opened from the one above it, and none through a link. No system call that only some systems have is needed.

Imports nothing heavy, because an unchanged run of `index` uses it.
"""

import errno
import os
import stat

from semsearch.errors import ReadError

NOT_FOLLOWED = "symbolic link (--follow takes those that stay inside the folder)"
LEAVES_FOLDER = "symbolic link that leaves the folder"
# Folders of a `Descent` that stay open at once; a process may have 256 open files on some systems, 1,024 on most.
_HELD_OPEN = 100
_TO_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Where the system has O_PATH, a folder that may be passed through but not listed can be passed through.
_TO_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a pipe that nobody writes to waits for ever.
_TO_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def open_beneath(root: str, path: str, follow: bool = False) -> int:
    """The descriptor of the regular file `path` (relative) beneath the folder `root`, to be read.

    `root` itself may be reached through links: it is the folder that was named. With `follow`, links on the way are
    followed to where they lead, if that lies beneath `root`. Raises `ReadError` (skip) for a link that is not followed
    and for what is no regular file, and `OSError`.
    """
    folder, name = _folder_and_name(root, path, follow)
    try:
        return open_in(folder, name)
    finally:
        os.close(folder)


def status_beneath(root: str, path: str, follow: bool = False) -> os.stat_result:
    """The status of `path` (relative) beneath the folder `root`, otherwise as `open_beneath`; that of a link, if it is
    one and not followed."""
    folder, name = _folder_and_name(root, path, follow)
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    finally:
        os.close(folder)


def open_in(folder: int, name: str) -> int:
    """The descriptor of the regular file `name` in the open `folder`, to be read; raises as `open_beneath`."""
    try:
        descriptor = os.open(name, _TO_READ, dir_fd=folder)
    except OSError as error:
        raise ReadError(NOT_FOLLOWED, skip=True) if _is_link(folder, name) else error from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ReadError("not a regular file", skip=True)
    return descriptor


def open_folder(path: str) -> int:
    """The descriptor of the folder `path`, wherever it lies, to open what is in it. Raises `OSError`."""
    return os.open(path, _TO_PASS & ~os.O_NOFOLLOW)


def real_beneath(real_root: str, path: str) -> str | None:
    """Where `path` (absolute) leads, relative to the folder `real_root`, which holds no links; None: out of it."""
    target = os.path.realpath(path)
    if target == real_root:
        return ""
    inside = real_root.rstrip("/") + "/"
    return target[len(inside) :] if target.startswith(inside) else None


class Descent:
    """Lists folders beneath `root`, one after another, each opened from the one above it; `close` ends it.

    Raises `OSError` where `root` cannot be listed.
    """

    def __init__(self, root: str) -> None:
        # Those of the root and of the folders `_names` below it, down to the one opened last.
        self._descriptors = [os.open(root, _TO_LIST & ~os.O_NOFOLLOW)]
        self._names: list[str] = []
        self._deep = -1

    def open(self, path: str) -> int:
        """The descriptor of the folder `path` (relative, empty: the root), to be listed, until the next call.

        Raises `OSError`, also for a symbolic link.
        """
        names = path.split("/") if path else []
        same = 0
        for held, name in zip(self._names, names, strict=False):
            if held != name:
                break
            same += 1
        self._close_below(same)
        for name in names[same:_HELD_OPEN]:
            self._descriptors.append(_open_folder_in(self._descriptors[-1], name, _TO_LIST))
            self._names.append(name)
        for name in names[_HELD_OPEN:]:
            above, deep = self._deep, self._deep if self._deep >= 0 else self._descriptors[-1]
            self._deep = _open_folder_in(deep, name, _TO_LIST)
            if above >= 0:
                os.close(above)
        return self._deep if self._deep >= 0 else self._descriptors[-1]

    def close(self) -> None:
        """Closes all folders."""
        self._close_below(-1)

    def _close_below(self, kept: int) -> None:
        """Closes all but the root and the first `kept` folders below it."""
        if self._deep >= 0:
            os.close(self._deep)
            self._deep = -1
        while len(self._descriptors) > kept + 1:
            os.close(self._descriptors.pop())
        del self._names[max(kept, 0) :]


def _folder_and_name(root: str, path: str, follow: bool) -> tuple[int, str]:
    """The descriptor of the folder that holds `path`, and its name in it; the rest as in `open_beneath`."""
    if follow:
        root = os.path.realpath(root)
        inside = real_beneath(root, os.path.join(root, path))
        if not inside:
            raise ReadError(LEAVES_FOLDER, skip=True)
        path = inside
    *folders, name = path.split("/")
    if not {"", ".", ".."}.isdisjoint((*folders, name)):
        raise ReadError("no path beneath the folder", skip=True)
    descriptor = open_folder(root)
    for folder in folders:
        above = descriptor
        try:
            descriptor = _open_folder_in(above, folder, _TO_PASS)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise ReadError(NOT_FOLLOWED, skip=True) from None
            raise
        finally:
            os.close(above)
    return descriptor, name


def _open_folder_in(above: int, name: str, flags: int) -> int:
    """The descriptor of the folder `name` in the open folder `above`. Raises `OSError`, for a link with ELOOP."""
    try:
        return os.open(name, flags, dir_fd=above)
    except OSError:
        if _is_link(above, name):
            raise OSError(errno.ELOOP, "it is a symbolic link now", name) from None
        raise


def _is_link(folder: int, name: str) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False  # the error of opening it says what is wrong
