"""The questions that an index was asked, and their answers: a file of JSON lines for each index, the user's alone.

It lies in the user's state folder (`settings.state_folder`), not in the index, which may be shared, belong to another
user or be read-only. Bounded: as many turns as the setting `history` says, each cut to a length, of the indexes that
were asked last. Every method raises `OSError` where the file cannot be read or written.
"""

import contextlib
import errno
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from semsearch import private_files, settings
from semsearch.answering.answer import Answer
from semsearch.answering.turn import MOST_TURNS, Source, Turn

SCHEMA = "semsearch.asked/1"
_PREFIX = "asked-"
# Indexes whose questions are kept: those that were asked last.
_MOST_INDEXES = 100
# Characters of a question, an answer, a path; and sources of an answer.
_MOST_QUESTION = 2_000
_MOST_ANSWER = 8_000
_MOST_PATH = 1_000
_MOST_SOURCES = 20
# Bytes of a file; one that is larger was not written here, and is begun anew.
_MOST_BYTES = 32_000_000
_LOCKED_SECONDS = 1.0


class QuestionLog:
    """The questions that the indexes at `locations`, asked together, were asked; `most`: how many are kept; 0: none."""

    def __init__(self, locations: Sequence[str], most: int) -> None:
        paths = [one if settings.url_scheme(one) else os.path.realpath(one) for one in locations]
        self.index = os.pathsep.join(sorted(paths))
        self._most = most
        name = sha256(os.fsencode(self.index)).hexdigest()[:32]
        self._folder = settings.state_folder()
        self.path = os.path.join(self._folder, f"{_PREFIX}{name}.jsonl")

    @property
    def is_kept(self) -> bool:
        """Whether anything is remembered."""
        return self._most > 0

    def turns(self) -> list[Turn]:
        """What was asked, oldest first; what cannot be read of it is left out."""
        if not self.is_kept:
            return []
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return []
        try:
            self._check(descriptor)
            return list(_turns_in(_read(descriptor)))[-self._most :]
        finally:
            os.close(descriptor)

    def last_conversation(self) -> list[Turn]:
        """The turns of the conversation that was held last, oldest first, as many as a follow-up can lean on."""
        turns = self.turns()
        return [turn for turn in turns if turn.conversation == turns[-1].conversation][-MOST_TURNS:]

    def append(self, turn: Turn) -> None:
        """Remembers `turn`; the oldest are forgotten where there are too many."""
        if not self.is_kept:
            return
        line = json.dumps(_record(turn)).encode() + b"\n"
        private_files.make_folders(self._folder)
        private_files.narrow(self._folder)
        descriptor = self._locked()
        try:
            known = _read(descriptor)
            lines = [one for one in known.splitlines(keepends=True)[1:] if one.endswith(b"\n")]
            if known.endswith(b"\n") and len(lines) < self._most + self._most // 10:
                os.lseek(descriptor, 0, os.SEEK_END)
                _write(descriptor, line)
                return
            if not known:
                self._forget_oldest_indexes()
            head = json.dumps({"schema": SCHEMA, "index": self.index}).encode() + b"\n"
            kept = lines[max(0, len(lines) + 1 - self._most) :]
            self._replace(b"".join([head, *kept, line]))
        finally:
            os.close(descriptor)

    def forget(self) -> int:
        """Removes all that was asked; returns how many turns that were."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return 0
        try:
            count = len(list(_turns_in(_read(descriptor)))) if stat.S_ISREG(os.fstat(descriptor).st_mode) else 0
        finally:
            os.close(descriptor)
        os.unlink(self.path)
        with contextlib.suppress(FileNotFoundError):  # what a run that was killed has left
            os.unlink(f"{self.path}.new")
        return count

    def _locked(self) -> int:
        """A descriptor of the file, which no other process changes until it is closed."""
        end = time.monotonic() + _LOCKED_SECONDS
        while True:
            descriptor = private_files.create(self.path, os.O_NONBLOCK)
            try:
                self._check(descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # It may have been replaced or removed since it was opened.
                if os.path.lexists(self.path) and os.path.samestat(os.lstat(self.path), os.fstat(descriptor)):
                    return descriptor
            except BlockingIOError:
                if time.monotonic() > end:
                    os.close(descriptor)
                    raise
                time.sleep(0.01)
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _check(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no file", self.path)
        if status.st_uid != os.geteuid() and os.geteuid() != 0:
            raise PermissionError(errno.EPERM, "it belongs to another user", self.path)

    def _replace(self, content: bytes) -> None:
        """Replaces the file, whole or not at all; to be called with the lock on it."""
        working = f"{self.path}.new"
        descriptor = private_files.create(working, os.O_TRUNC)
        try:
            _write(descriptor, content)
        finally:
            os.close(descriptor)
        os.replace(working, self.path)

    def _forget_oldest_indexes(self) -> None:
        found = [entry for entry in os.scandir(self._folder) if entry.name.startswith(_PREFIX) and entry.is_file()]
        for entry in sorted(found, key=lambda one: one.stat().st_mtime_ns)[: max(0, len(found) - _MOST_INDEXES)]:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(entry.path)


def turn_of(answer: Answer, conversation: str) -> Turn:
    """The turn of `conversation` (a name that `new_conversation` gave) in which `answer` was given."""
    places = [Source(one.path, one.page, one.line_start, answer.contexts[one.n - 1].file) for one in answer.citations]
    return Turn(
        answer.question,
        answer.meant or answer.question,
        answer.text,
        answer.answered,
        answer.llm,
        tuple(dict.fromkeys(places)),
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        conversation,
    )


def new_conversation() -> str:
    """A name for a conversation that no other has."""
    return os.urandom(8).hex()


def turn_dict(turn: Turn) -> dict[str, Any]:
    """The entry of `questions` in a `semsearch.asked/1` object."""
    return {
        "at": turn.at,
        "conversation": turn.conversation,
        "question": turn.question,
        "meant": turn.meant,
        "answer": turn.text,
        "answered": turn.answered,
        "llm": turn.llm,
        "sources": [{"path": one.path, "page": one.page, "line": one.line} for one in turn.sources],
    }


def _record(turn: Turn) -> dict[str, Any]:
    record = turn_dict(turn)
    record["question"], record["meant"] = turn.question[:_MOST_QUESTION], turn.meant[:_MOST_QUESTION]
    record["answer"] = turn.text[:_MOST_ANSWER]
    record["sources"] = [
        vars(source) | {"path": source.path[:_MOST_PATH], "file": source.file if len(source.file) <= _MOST_PATH else ""}
        for source in turn.sources[:_MOST_SOURCES]
    ]
    return record


def _turns_in(content: bytes) -> Iterator[Turn]:
    for line in content.splitlines()[1:]:
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):  # cut off, or not of this program
            yield _turn(json.loads(line))


def _turn(record: dict[str, Any]) -> Turn:
    """Raises `KeyError`, `TypeError` or `ValueError` where `record` is none."""
    texts = [record[name] for name in ("question", "meant", "answer", "at", "conversation")]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("no text")
    question, meant, answer, at, conversation = texts
    sources = []
    for source in record["sources"]:
        path, page, line = source["path"], source["page"], source["line"]
        file = source.get("file", "")
        is_named = isinstance(path, str) and isinstance(file, str)
        if not (is_named and all(one is None or isinstance(one, int) for one in (page, line))):
            raise ValueError("no place")
        sources.append(Source(path, page, line, file))
    llm = record["llm"]
    return Turn(
        question, meant, answer, bool(record["answered"]), llm if isinstance(llm, str) else None, tuple(sources), at,
        conversation,
    )  # fmt: skip


def _read(descriptor: int) -> bytes:
    """What the file holds; nothing where it is too large or not one of these."""
    if os.fstat(descriptor).st_size > _MOST_BYTES:
        return b""
    content = b""
    while part := os.pread(descriptor, 1 << 20, len(content)):
        content += part
    first = content.partition(b"\n")[0]
    return content if SCHEMA.encode() in first else b""


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
