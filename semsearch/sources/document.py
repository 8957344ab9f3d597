"""What every reader returns: a Document of Sections. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Section:
    """A stretch of a document under one heading: characters `start` to `end` of `Document.text`."""

    start: int
    end: int
    heading: tuple[str, ...] = ()
    page: int | None = None


@dataclass(frozen=True)
class Document:
    """The text of one file and where its parts stand.

    `sections` cover `text` in order without overlap. `line_starts` gives, in rising order, (character offset
    in `text`, line number in the file) for each point where lines start; None when the file has no lines
    (a PDF). Readers whose `text` is the file as it is use `line_starts_of`.
    """

    text: str
    type: str
    sections: tuple[Section, ...]
    line_starts: tuple[tuple[int, int], ...] | None
    title: str = ""
    metadata: Mapping[str, object] = field(default_factory=dict)


def line_starts_of(text: str) -> tuple[tuple[int, int], ...]:
    r"""(offset, line number) of every line of `text`; lines end at "\n"."""
    starts = [(0, 1)]
    position = text.find("\n")
    while position >= 0:
        starts.append((position + 1, len(starts) + 1))
        position = text.find("\n", position + 1)
    return tuple(starts)
