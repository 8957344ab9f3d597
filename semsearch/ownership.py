"""Whose index it is: one of another user is not used unless it was named, and not written at all.

Who can write a catalog decides which folders a run goes over, so that a run of another user would read those with its
own rights and write their texts where they can be read. The rule is that of git's `safe.directory`: what belongs to
this user or to root is trusted, and what the setting `trusted` names. Light, because an unchanged run of `index` uses
it.
"""

import os

from semsearch.errors import SemsearchError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def check_found(index: str, trusted: "Iterable[str]") -> None:
    """Raises `SemsearchError` where the index folder `index`, which nobody named, or the folder it is in, belongs to
    another user. It need not be there yet. `trusted`: the folders (or `*`) of the setting.
    """
    if _is_trusted(index, trusted):
        return
    for path in (index, os.path.dirname(index)):
        others = _owners(path) - _trusted_users()
        if others:
            raise SemsearchError(
                f"{index} is not used: {path} belongs to {_name(others.pop())}",
                f"if you trust it, name it with: --index {index}, or in the setting trusted",
                code="not_trusted",
            )


def check_written(index: str, files: "Iterable[str]", trusted: "Iterable[str]") -> None:
    """Raises `SemsearchError` where the index folder `index`, which is to be written, or one of its `files` (paths),
    belongs to another user and is not shared by a group that this process is in.
    """
    if _is_trusted(index, trusted):
        return
    from semsearch.private_files import is_shared  # nothing that only reads has use for it

    mine = {os.getegid(), *os.getgroups()}
    if is_shared(index) and os.stat(index).st_gid in mine:
        return
    for path in (index, *files):
        others = _owners(path) - _trusted_users()
        if others:
            raise SemsearchError(
                f"{index} is not written: {path} belongs to {_name(others.pop())}",
                "run it as that user, or put the index into the setting trusted",
                code="not_trusted",
            )


def _is_trusted(index: str, trusted: "Iterable[str]") -> bool:
    real = os.path.realpath(index)
    return any(
        folder == "*" or (real + "/").startswith(os.path.realpath(os.path.expanduser(folder)).rstrip("/") + "/")
        for folder in trusted
    )


def _owners(path: str) -> set[int]:
    """The users whom `path` belongs to: that of a link, who chooses what is used, and that of what it leads to."""
    owners = set()
    for status in (os.lstat, os.stat):
        try:
            owners.add(status(path).st_uid)
        except FileNotFoundError:
            break
    return owners


def _trusted_users() -> set[int]:
    return {os.geteuid(), 0}


def _name(user: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
