"""The text of one indexed file, and whether the file is still what was indexed."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from semsearch import settings
from semsearch.errors import UsageError
from semsearch.retrieval.document_text import TextLine, text_lines
from semsearch.retrieval.locate import named_file
from semsearch.sources.stamps import stamp_of_status
from semsearch.store.opening import read_index
from semsearch.store.protocol import Snapshot
from semsearch.store.records import FileRecord


@dataclass(frozen=True)
class ShownFile:
    """The file shown as `path`, absolute `file`, with its `lines` as indexed.

    `host`: the machine that it is on, "" where all folders are on this one. `is_whole_name`: the first of the names
    that were asked for is its name. `change`: what became of it since, empty for nothing that can be seen.
    """

    path: str
    file: str
    host: str
    type: str
    title: str
    lines: tuple[TextLine, ...]
    is_whole_name: bool
    change: str


def show_file(index: str | None, names: Sequence[str]) -> ShownFile:
    """The file that the first of `names` which is one names in `index`: as results show it, or its path.

    Raises `UsageError` where none does.
    """
    return read_index(settings.index_for_reading(index), lambda snapshot: _shown(snapshot, names))


def _shown(snapshot: Snapshot, names: Sequence[str]) -> ShownFile:
    for number, name in enumerate(names):
        record = named_file(snapshot, name)
        if record is not None:
            info = snapshot.info()
            root = info.root(record.root_id)
            path = info.file_of(root.id, record.path)
            return ShownFile(
                info.shown_path(root.id, record.path),
                path,
                info.host_of(root.id),
                record.type,
                record.title,
                tuple(text_lines(snapshot.passages_of(record.id))),
                number == 0,
                _change(record, path) if root.is_here else "",
            )
    raise UsageError(
        f"{names[-1]}: no indexed file is shown so", "name it as results show it; semsearch status --files lists them"
    )


def _change(record: FileRecord, path: str) -> str:
    """What became of the file at `path` since it was indexed."""
    try:
        now = stamp_of_status(os.stat(path))
    except (FileNotFoundError, NotADirectoryError):
        return "is not there any more: this is what was indexed"
    except OSError:
        return ""
    if now[0] == record.size and now[1] != record.mtime_ns:  # a copy, or a mere touch
        return "may have changed since it was indexed: this is what was indexed"
    if now[0] != record.size:
        return "has changed since it was indexed: this is what was indexed"
    return ""
