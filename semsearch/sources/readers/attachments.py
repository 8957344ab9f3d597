"""What is attached to a message: the documents in files, other messages, and what of them cannot be read."""

import io
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from semsearch.errors import ReadError
from semsearch.sources.document import Document
from semsearch.sources.document_builder import parsing

_MOST_BYTES = 20_000_000
# A packed file may be longer than memory.
_MOST_CHARACTERS = 50_000_000
_MOST_NESTED = 3
# How many files the one that is read is attached to, each to the next.
_depth: ContextVar[int] = ContextVar("depth", default=0)
# So many are named, the others counted.
_MOST_NAMED = 50


class Unread:
    """What is attached to a message and cannot be read, or not all of it."""

    def __init__(self) -> None:
        self._files: list[str] = []
        self._notices: list[str] = []

    def add(self, name: str, reason: str) -> None:
        """The file or message `name` is not read, for `reason`."""
        self._files.append(f"{name} ({reason})")

    def add_part(self, name: str, notice: str) -> None:
        """Of the file `name` is missing what `notice` tells."""
        self._notices.append(f"{name}: {notice}")

    def notice(self) -> str:
        """What is missing, for people; empty where all is read."""
        files = [f"attached and not read: {_first(self._files, ', ')}"] if self._files else []
        return "; ".join([*files, *([_first(self._notices, "; ")] if self._notices else [])])


def _first(told: list[str], between: str) -> str:
    shown = between.join(told[:_MOST_NAMED])
    return shown if len(told) <= _MOST_NAMED else f"{shown}{between}and {len(told) - _MOST_NAMED} more"


def documents_in(name: str, data: bytes, unread: Unread, called: str = "") -> Iterator[Document]:
    """The documents in an attached file; `unread` is told what is not in them.

    `name`: by which its type is known; `called`: what people call it, where that is another.
    """
    from semsearch.sources import document_types

    called = called or name
    if not data or len(data) > _MOST_BYTES:
        unread.add(called, "too large" if data else "empty")
        return
    if _depth.get() >= _MOST_NESTED:
        unread.add(called, "nested too deep")
        return
    length = 0
    outside = _depth.set(_depth.get() + 1)
    try:
        for document in document_types.documents(io.BytesIO(data), name):
            if document.notice:
                unread.add_part(called, document.notice)
            yield document
            length += len(document.text)
            if length > _MOST_CHARACTERS:
                unread.add_part(called, f"read up to {length:,} characters")
                return
    except ReadError as error:
        if length:
            unread.add_part(called, error.message)
        else:
            unread.add(called, error.message)
    finally:
        _depth.reset(outside)


def add_attached_message(name: str, depth: int, unread: Unread, add: Callable[[], object]) -> None:
    """Adds by `add` the message `name`, which is attached to one that is itself attached to `depth` others."""
    if depth >= _MOST_NESTED:
        unread.add(name, "nested too deep")
        return
    try:
        with parsing("message"):
            add()
    except ReadError as error:
        unread.add(name, error.message)
