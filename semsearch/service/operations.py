"""What a service does, whoever asks: search, ask, read a passage, list files and tell the status of its indexes.

Every method takes checked parameters (`parameters`), returns at once, and gives a future. Text comes from the index
alone: no file is ever opened.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from semsearch import settings
from semsearch.errors import ParameterError, SemsearchError, UnknownFileError, UsageError
from semsearch.http_limits import Abandoned, looking
from semsearch.service.open_indexes import OpenIndexes, SharedModels, Where
from semsearch.service.search_process import SearchProcess
from semsearch.service.threads import Threads
from semsearch.service.token_estimate import parts_of
from semsearch.store.opening import check_distinct
from semsearch.subprocesses import core_count

if TYPE_CHECKING:
    from semsearch.answering.answer import Answer
    from semsearch.answering.llm import LlmSettings
    from semsearch.maintenance.file_status import FileStatus
    from semsearch.maintenance.shown_file import ShownFile
    from semsearch.retrieval.document_text import TextLine
    from semsearch.retrieval.hit import SearchResult
    from semsearch.retrieval.options import SearchOptions
    from semsearch.service.forking import Forks
    from semsearch.store.protocol import Snapshot
    from semsearch.store.records import FileRecord, Filters

# Searches compute, mostly in Python: two threads answer no more of them in a second than one (benchmarks.service_load),
# and a process each has memory of its own, some 60 MB.
_MOST_SEARCHING = 4
# What only reads passes by searches.
_READING = 1
_MOST_WAITING = 100
# Threads that wait for a language model, and questions that wait for such a thread.
_ASKING = 4
_MOST_QUESTIONS = 16
IDLE_SECONDS = 600.0


@dataclass(frozen=True)
class Overview:
    """What the indexes hold: `folders`, how many `files`, how many of each of the `types`, most first; `first`, `last`:
    the dates of the oldest and the newest file, in seconds since the epoch; `checked`: when the folders were last
    compared with the index that was compared longest ago, ISO 8601, "" where that is not known.
    """

    folders: tuple[str, ...]
    files: int
    types: tuple[tuple[str, int], ...]
    first: float
    last: float
    checked: str


@dataclass(frozen=True)
class Listed:
    """A part of the files that an index holds, of `total` that were asked for."""

    files: tuple[FileStatus, ...]
    total: int


@dataclass(frozen=True)
class Shown:
    """`lines` of the `file`, from `offset` on, of `total` that were asked for."""

    file: ShownFile
    lines: tuple[TextLine, ...]
    offset: int
    total: int

    @property
    def next_offset(self) -> int | None:
        """The offset of the lines after these; None where these are the last."""
        end = self.offset + len(self.lines)
        return end if end < self.total else None


@dataclass(frozen=True)
class Answered:
    """An answer; `failure`: why the language model did not write it, None where it did or was not asked."""

    answer: Answer
    failure: SemsearchError | None = None


class Operations:
    """Answers for `indexes`, which are no others: names of the configuration file, folders or URLs, as one says them.

    Where they are is looked up once: a name that comes to stand for another folder leads nowhere else meanwhile.
    `model`: the language model that questions may be answered with; None: none. `processes`: searches are answered by
    processes of their own, as many as there are processors, up to four, which `forks` starts where it is given.
    `idle_seconds`: when searchers and models are let go that nobody used. `announce` hears what there is to tell
    whoever runs the service. Raises `IndexNotFoundError`, and `UsageError` for an index that is named twice.
    """

    def __init__(
        self,
        indexes: Sequence[str],
        *,
        model: LlmSettings | None = None,
        processes: bool = False,
        forks: Forks | None = None,
        idle_seconds: float = IDLE_SECONDS,
        announce: Callable[[str], None] = lambda message: None,
    ) -> None:
        self.locations = tuple(settings.index_for_reading(index) for index in indexes)
        check_distinct(self.locations)
        where = Where(self.locations, settings.said_names(indexes))
        self.model = model
        models = SharedModels()

        def open_indexes() -> OpenIndexes:
            return OpenIndexes(where, models, announce)

        self._at_once = min(core_count(), _MOST_SEARCHING) if processes else 1
        self._searching = Threads(
            (lambda: SearchProcess(where, announce, forks)) if processes else open_indexes,
            self._at_once,
            _MOST_WAITING,
            idle_seconds,
        )
        self._reading = Threads(open_indexes, _READING, _MOST_WAITING, idle_seconds)
        self._asking = Threads(open_indexes, _ASKING, _MOST_QUESTIONS, idle_seconds)

    def close(self) -> None:
        """Takes no more work, and lets go of everything as threads come to their end."""
        self._searching.close()
        self._reading.close()
        self._asking.close()

    def search(self, asked: Mapping[str, Any]) -> Future[SearchResult]:
        """The result of a search; hits from `offset` on. Raises `SemsearchError` where what is asked makes no sense."""
        first = asked["offset"]
        options = replace(
            _options(asked, first + asked["k"]),
            group=asked["group"],
            context=asked["context"],
            syntax=not asked["literal"],
        )
        return self._searching.submit(partial(_searched, query=asked["query"], options=options, first=first))

    def ask(
        self,
        asked: Mapping[str, Any],
        on_text: Callable[[str], None] = lambda text: None,
        on_wait: Callable[[str], None] = lambda notice: None,
        abandoned: threading.Event | None = None,
    ) -> Future[Answered]:
        """The answer to a question; by the language model where `llm` is asked for, which `on_text` hears as it comes.

        `on_wait` hears where the model's server is waited for. All of it ends when `abandoned` is set. Raises
        `SemsearchError` where what is asked makes no sense.
        """
        # A question may hold quotation marks.
        options = replace(_options(asked, asked["k"]), syntax=False)
        model = self.model if asked["llm"] else None
        if asked["llm"] and model is None:
            raise ParameterError("llm", "needs a language model, and the service has none", "leave it out")

        if model is None:
            return self._searching.submit(partial(_quoted, question=asked["question"], options=options))

        def look() -> None:
            if abandoned is not None and abandoned.is_set():
                raise Abandoned

        def heard(text: str) -> None:
            look()
            on_text(text)

        def work(indexes: OpenIndexes) -> Answered:
            from semsearch.answering.pipeline import ask, quoted

            engine = indexes.searcher()
            results: list[SearchResult] = []
            with looking(look):
                try:
                    return Answered(
                        ask(engine, asked["question"], options, model, heard, results.append, on_wait=on_wait)
                    )
                except SemsearchError as error:
                    if not results or not results[0].hits:
                        raise
                    failure = error
            return Answered(quoted(engine, asked["question"], results[0], options), failure)

        return self._asking.submit(work)

    def passage(self, asked: Mapping[str, Any], longest: int | None = None) -> Future[Shown]:
        """Lines of an indexed file, those of more than about `longest` tokens (None: none) in several parts, which
        `offset`, `limit` and `total` count as lines. Raises `SemsearchError` where what is asked makes no sense; the
        future raises `UnknownFileError` for a file that none of the indexes holds, wherever it is."""
        from semsearch.maintenance.shown_file import Part, part_named

        part: Part | None = None
        for name, prefix in (("lines", ""), ("page", "p")):
            if asked[name]:
                if part is not None:
                    raise UsageError("lines and page are both given", "give one of them")
                part = part_named(prefix + asked[name])
                if part is None or part.pages != (name == "page"):
                    raise ParameterError(name, f"{asked[name]} is no range", "write it like 12, 12-30 or 12-")
        first, limit = asked["offset"], asked["limit"]

        def work(indexes: OpenIndexes) -> Shown:
            from semsearch.maintenance.shown_file import lines_of

            path = asked["path"]
            # A place as results show it, `notes.md:12`.
            name, _, place = path.rpartition(":")
            own = part_named(place) if name and part is None else None
            shown = _shown(indexes, [path] if own is None else [path, name])
            chosen = part if shown.is_whole_name else own
            lines = shown.lines if chosen is None else lines_of(shown, chosen, asked["context"])
            if longest is not None:
                lines = [part for line in lines for part in in_parts(line, longest)]
            return Shown(shown, tuple(lines[first : first + limit]), first, len(lines))

        return self._reading.submit(work)

    def files(self, asked: Mapping[str, Any]) -> Future[Listed]:
        """The indexed files that the filters let in, by path. Raises `SemsearchError`."""
        filters = _filters(asked)
        first, limit = asked["offset"], asked["limit"]

        def work(indexes: OpenIndexes) -> Listed:
            from semsearch.store.opening import read_index

            found: list[tuple[str, FileRecord]] = []
            for prefix, location in indexes.prefixed():
                found += read_index(location, partial(_files, filters=filters, prefix=prefix))
            found.sort(key=lambda one: one[0])
            return Listed(tuple(_status(*one) for one in found[first : first + limit]), len(found))

        return self._reading.submit(work)

    def warm_up(self) -> None:
        """Opens indexes and models before anybody asks; returns at once. What is wrong then is told to who asks."""
        # Twice: a process that opened a model is followed by one that shares it.
        for _ in range(2 * self._at_once):
            self._searching.submit(_warmed)

    def overview(self) -> Future[Overview]:
        """What a stranger to the indexes is told first."""

        def work(indexes: OpenIndexes) -> Overview:
            from semsearch.maintenance.index_status import index_status
            from semsearch.store.opening import read_index

            counts: Counter[str] = Counter()
            moments: list[float] = []

            def look(snapshot: Snapshot) -> None:
                for file in snapshot.files():
                    if file.status == "indexed":
                        counts[file.type] += 1
                        moments.append(file.moment)

            for location in indexes.locations:
                read_index(location, look)
            statuses = [index_status(location) for location in indexes.locations]
            return Overview(
                tuple(root["path"] for status in statuses for root in status["roots"]),
                len(moments),
                tuple(counts.most_common()),
                min(moments, default=0.0),
                max(moments, default=0.0),
                min((status["last_check"] for status in statuses if status["last_check"]), default=""),
            )

        return self._reading.submit(work)

    def status(self) -> Future[list[dict[str, Any]]]:
        """The `semsearch.status/1` object of each index."""
        from semsearch.maintenance.index_status import index_status

        return self._reading.submit(lambda indexes: [index_status(location) for location in indexes.locations])


def _warmed(indexes: OpenIndexes) -> None:
    """Searches, and opens the model, as the vector of the query may be known."""
    from semsearch.retrieval.options import SearchOptions

    indexes.searcher().search("a", SearchOptions(k=1))
    if (count_tokens := indexes.searcher().count_tokens) is not None:
        count_tokens("a")


def _searched(indexes: OpenIndexes, *, query: str, options: SearchOptions, first: int) -> SearchResult:
    result = indexes.searcher().search(query, options)
    return replace(result, hits=result.hits[first:])


def _quoted(indexes: OpenIndexes, *, question: str, options: SearchOptions) -> Answered:
    """The answer in the documents' own words."""
    from semsearch.answering.pipeline import ask

    return Answered(ask(indexes.searcher(), question, options))


def _filters(asked: Mapping[str, Any]) -> Filters:
    from semsearch.retrieval.options import parse_where
    from semsearch.store.records import Filters

    return Filters(
        tuple(asked["path"]),
        tuple(asked["type"]),
        parse_where(asked["where"]),
        _moment("since", asked["since"]),
        _moment("before", asked["before"]),
    )


def _options(asked: Mapping[str, Any], k: int) -> SearchOptions:
    from semsearch.retrieval.options import SearchOptions

    return SearchOptions(k=k, mode=asked["mode"], filters=_filters(asked), min_score=asked["min_score"])


def _moment(name: str, text: str | None) -> float | None:
    from semsearch.sources.dates import parse_flag

    if not text:
        return None
    seconds = parse_flag(text)
    if seconds is None:
        raise ParameterError(name, f"{text} is not a date", "write it like 2025-03-01, 2025, 30d or yesterday")
    return seconds


def in_parts(line: TextLine, longest: int) -> list[TextLine]:
    """`line` in parts of about `longest` tokens at most."""
    head, *others = parts_of(line.text, longest)
    return [replace(line, text=head), *(replace(line, text=text, follows=True) for text in others)]


def _shown(indexes: OpenIndexes, names: Sequence[str]) -> ShownFile:
    """The file that results show as one of `names`, or whose path one is."""
    from semsearch.maintenance.shown_file import show_file

    for prefix, location in indexes.prefixed():
        if names[0].startswith((prefix, "/")):
            try:
                found = show_file(location, [name.removeprefix(prefix) for name in names])
            except UnknownFileError:
                continue
            return replace(found, path=prefix + found.path)
    raise UnknownFileError(
        f"{names[-1]}: no indexed file is shown so", "name it as results and the list of files show it"
    )


def _files(snapshot: Snapshot, filters: Filters, prefix: str) -> list[tuple[str, FileRecord]]:
    """(path as results show it, the file) of each indexed file that `filters` let in."""
    from semsearch.store.filtering import matching_files

    info = snapshot.info()
    indexed = [file for file in snapshot.files() if file.status == "indexed"]
    matching, _ = matching_files(indexed, filters, info.roots, prefix)
    return [(prefix + info.shown_path(file.root_id, file.path), file) for file in matching]


def _status(shown: str, file: FileRecord) -> FileStatus:
    from semsearch.maintenance.file_status import of_record

    return of_record(shown, file)
