"""Folders and files that only their owner can read, or the group that a folder is shared with.

An index and the cache hold what documents say, which may be private: their folders have mode 0700 and their files 0600
from the first byte, whatever the umask. A folder with mode 2770 is shared with its group, and so is what is made in it.
What root makes in a folder of another user is given to that user, who could not read it otherwise. Light, because an
unchanged run of `index` uses it.
"""

import errno
import os
import stat

from semsearch.errors import ParameterError, SemsearchError

PRIVATE = 0o700
# The set-group-id bit hands the group on to what is made inside (mkdir(2)).
SHARED = stat.S_ISGID | 0o770
_OF_OTHERS = 0o077
_OF_THE_GROUP = 0o660
# How the names in a cache of prepared models and vectors begin.
_IN_THE_CACHE = (
    "api-", "cross-encoder-", "fingerprints", "language-", "late-interaction-", "model-", "passages.db", ".preparing-",
    "queries.db", "sparse-", "static-",
)  # fmt: skip


def is_shared(folder: str) -> bool:
    """Whether `folder` is shared with its group."""
    return stat.S_IMODE(os.stat(folder).st_mode) == SHARED


def make_folder(path: str) -> None:
    """Makes the folder `path`, shared if the one it is made in is. Raises `OSError`."""
    os.mkdir(path, PRIVATE)
    folder = os.path.dirname(path)
    owner, shared = _given_to(folder), is_shared(folder)
    if not (owner or shared):
        return
    # By descriptor: whose folder it is could put a link into its place.
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if owner:
            os.fchown(descriptor, *owner)
        if shared:
            os.fchmod(descriptor, SHARED)
    finally:
        os.close(descriptor)


def make_folders(top: str, below: str = "") -> None:
    """Makes the private folder `top` where there is none, and in it the folders of the path `below`.

    Folders above `top` get the mode that the umask gives. Raises `OSError`.
    """
    os.makedirs(os.path.dirname(top), exist_ok=True)
    if not os.path.isdir(top):
        os.mkdir(top, PRIVATE)
    path = top
    for name in below.split(os.sep) if below else ():
        path = os.path.join(path, name)
        if not os.path.isdir(path):
            make_folder(path)


def create(path: str, flags: int = os.O_EXCL) -> int:
    """A descriptor of the file `path`, opened for reading and writing and made where it is not; shared if its folder
    is. `flags`: for open(2), beside those that never go through a link. Raises `OSError`.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600)
    folder = os.path.dirname(path)
    if is_shared(folder):
        share(descriptor, _OF_THE_GROUP)
    owner = _given_to(folder)
    if owner:
        # It may have been there: nothing that has content, or another name elsewhere, is given away.
        made = os.fstat(descriptor)
        if made.st_uid == 0 and made.st_size == 0 and made.st_nlink == 1:
            os.fchown(descriptor, *owner)
    return descriptor


def _given_to(folder: str) -> tuple[int, int] | None:
    """(user, group) whom what this process makes in `folder` is given to; None: to nobody."""
    if os.geteuid() != 0:
        return None
    status = os.stat(folder)
    return (status.st_uid, status.st_gid) if status.st_uid != 0 else None


def share(file: "int | str", mode: int) -> None:
    """Gives `file`, a path or a descriptor, `mode`, unless it is another user's, who alone may."""
    if stat.S_IMODE(os.stat(file).st_mode) != mode and os.stat(file).st_uid == os.geteuid():
        os.chmod(file, mode)


def group_number(name: str) -> int:
    """The number of the group `name`. Raises `ParameterError` where there is none."""
    import grp

    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise ParameterError("shared", f"{name}: there is no such group", "see: id --name --groups") from None


def is_member(group: int) -> bool:
    """Whether this process is in `group`."""
    return group in {os.getegid(), *os.getgroups()}


def check_sharing(group: str) -> None:
    """Raises `ParameterError` where this user cannot share anything with `group`."""
    if not is_member(group_number(group)) and os.geteuid() != 0:
        raise ParameterError("shared", f"{group}: you are not in that group", "see: id --name --groups")


def share_all(folder: str, group: str) -> None:
    """Shares `folder`, and all that is in it, with `group`.

    Raises `ParameterError`, or `SemsearchError` where this user may not.
    """
    number = group_number(group)
    try:
        _share_all(folder, number)
    except PermissionError as error:
        what = f"{folder} cannot be shared with {group}: {error.strerror}"
        raise SemsearchError(what, "its owner can, who must be in the group", code="not_writable") from None


def _share_all(folder: str, group: int) -> None:
    # By descriptors: who may write here already must not be able to lead it elsewhere.
    for parent, _, files, descriptor in os.fwalk(folder):
        os.chown(descriptor, -1, group)
        os.chmod(descriptor, SHARED)  # after the change of group, which takes the bit away
        if stat.S_IMODE(os.stat(descriptor).st_mode) != SHARED:
            raise PermissionError(errno.EPERM, "its file system keeps no modes or groups", parent)
        for name in files:
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=descriptor)
            try:
                os.chown(file, -1, group)
                os.chmod(file, _OF_THE_GROUP)
            finally:
                os.close(file)


def inherit(folder: str) -> None:
    """Shares `folder` and all that is in it if the one it is in is shared, and gives it to that one's owner where root
    made it; all of it is this user's.
    """
    parent = os.path.dirname(folder)
    if is_shared(parent):
        _share_all(folder, os.stat(parent).st_gid)
    owner = _given_to(parent)
    if owner:
        # From the inside out: as long as a folder is root's, nobody puts anything else there.
        for _, _, files, descriptor in os.fwalk(folder, topdown=False):
            if os.fstat(descriptor).st_uid == 0:
                for name in files:
                    os.chown(name, *owner, dir_fd=descriptor, follow_symlinks=False)
                os.fchown(descriptor, *owner)


def narrow(folder: str) -> str:
    """Takes from others what they may do in `folder`, if it is this user's and not shared.

    What is inside cannot be reached by them any more, whatever its own mode. Returns what the user is to be told, ""
    where nothing changed, as on a file system that keeps no modes.
    """
    status = os.stat(folder)
    mode = stat.S_IMODE(status.st_mode)
    if not mode & _OF_OTHERS or mode == SHARED or status.st_uid != os.geteuid():
        return ""
    try:
        os.chmod(folder, PRIVATE)
    except OSError:
        return ""
    if stat.S_IMODE(os.stat(folder).st_mode) == mode:
        return ""
    return f"{folder} could be read by other users and is yours alone now (to share it: index --shared GROUP)"


def narrow_cache(folder: str) -> None:
    """`narrow` for the cache, unless other programs keep something in that folder, too, such as in /tmp."""
    wide = stat.S_IMODE(os.stat(folder).st_mode) & _OF_OTHERS
    if wide and all(name.startswith(_IN_THE_CACHE) for name in os.listdir(folder)):
        narrow(folder)
