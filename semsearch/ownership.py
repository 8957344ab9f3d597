"""Whose index it is: one of another user is not used unless it was named, and not written unless it is trusted.

Who can write a catalog decides which folders a run goes over, so that a run of another user would read those with its
own rights and write their texts where they can be read. The rule is that of git's `safe.directory`: what belongs to
this user or to root is trusted, and what the setting `trusted` names. Light, because an unchanged run of `index` uses
it.
"""

import os

from semsearch.errors import SemsearchError, for_shell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection


def check_found(index: str, trusted: "Collection[str]") -> None:
    """Raises `SemsearchError` where the index folder `index`, which was found and not named, or the folder it is in,
    belongs to another user. `trusted`: the folders (or `*`) of the setting.
    """
    matter = _matter(index, trusted)
    if matter:
        own = f"semsearch index .{_elsewhere(os.path.basename(index))}"
        hint = f"make your own with: {own}; to search this one, name it: --index {for_shell(index)}"
        raise SemsearchError(matter, hint, code="not_trusted")


def check_place(index: str, trusted: "Collection[str]") -> None:
    """`check_found` for an index folder that is to be written and need not be there yet."""
    matter = _matter(index, trusted)
    if matter:
        hint = f"make your own with: semsearch index {for_shell(os.path.dirname(index))} --index ~/my.index"
        if _is_open_to_me(index) if os.path.exists(index) else os.access(os.path.dirname(index), os.W_OK):
            hint += f"; if you trust its owner, {_to_trust(index, trusted)}"
        raise SemsearchError(matter, hint, code="not_trusted")


def check_written(index: str, files: "Collection[str]", trusted: "Collection[str]") -> None:
    """Raises `SemsearchError` where the index folder `index`, which is to be written, or one of its `files` (paths),
    belongs to another user and is not trusted, or this user's files in it would lock out its owner.
    """
    if not _is_open_to_me(index):
        raise SemsearchError(
            f"{index} is not written: it belongs to {_name(os.stat(index).st_uid)} and is not shared with you",
            f"its owner can share it: semsearch index --shared GROUP --index {for_shell(index)}; or make your own:"
            " semsearch index FOLDER --index ~/my.index",
            code="not_trusted",
        )
    if _is_trusted(index, trusted):
        return
    from semsearch.private_files import is_shared  # nothing that only reads has use for it

    # Whom this user shares an index with may make its files anew.
    looked_at = (index,) if is_shared(index) and _is_mine(index) else (index, *files)
    for path in looked_at:
        others = _owners(path) - _trusted_users()
        if others:
            what = "it" if path == index else f"{os.path.basename(path)} in it"
            raise SemsearchError(
                f"{index} is not written: {what} belongs to {_name(others.pop())}",
                f"if you trust whoever can write it, {_to_trust(index, trusted)}",
                code="not_trusted",
            )


def _matter(index: str, trusted: "Collection[str]") -> str:
    """Why `index` is not used; "": it is."""
    if _is_trusted(index, trusted):
        return ""
    folder = os.path.dirname(index)
    for path, what in ((index, "it"), (folder, "its folder")):
        others = _owners(path) - _trusted_users()
        if others:
            name = _name(others.pop())
            if not os.path.lexists(index):
                return f"no index is made in {folder}: it belongs to {name}"
            return f"{index} is not used: {what} belongs to {name}"
    return ""


def _is_open_to_me(index: str) -> bool:
    """Whether its owner can use what this user makes in the index folder `index`: the owner does so, or root, who gives
    it away, or a member of the group that it is shared with.
    """
    if os.geteuid() == 0 or _is_mine(index):
        return True
    from semsearch.private_files import is_member, is_shared

    if is_shared(index):
        return is_member(os.stat(index).st_gid)
    import tempfile

    try:
        with tempfile.TemporaryFile(dir=index) as made:
            return os.fstat(made.fileno()).st_uid == os.stat(index).st_uid  # a file system that keeps no owners
    except OSError:
        return False


def _is_mine(index: str) -> bool:
    return os.stat(index).st_uid == os.geteuid()


def _elsewhere(name: str) -> str:
    """The flag that is needed to make an index of the working folder where it cannot have its own, called `name`."""
    folder = os.getcwd()
    taken = os.path.lexists(os.path.join(folder, name)) or _owners(folder) - _trusted_users()
    return " --index ~/my.index" if taken or not os.access(folder, os.W_OK) else ""


def _to_trust(index: str, trusted: "Collection[str]") -> str:
    """How `index` is added to what is `trusted`."""
    from semsearch.config_file import config_file

    value = os.pathsep.join([*trusted, index])
    if os.environ.get("SEMSEARCH_TRUSTED"):  # comes before the file
        return f"set SEMSEARCH_TRUSTED={for_shell(value)}"
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'write into {config_file()}: trusted = "{quoted}"'


def _is_trusted(index: str, trusted: "Collection[str]") -> bool:
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
