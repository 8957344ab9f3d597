"""A question of a conversation: its answer, as it is remembered, and what was found for it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from semsearch.retrieval.hit import SearchResult

# Turns that a follow-up can lean on, and that a model is told of: the latest.
MOST_TURNS = 6


@dataclass(frozen=True)
class Source:
    """Where a statement of an answer stands: the path as results show it, its page or its line, and the `file` as in
    `Hit`, "" where it is not known."""

    path: str
    page: int | None
    line: int | None
    file: str = ""


@dataclass(frozen=True)
class Turn:
    """A question, what it meant (itself, where it stood alone), its answer, and the places that this cites."""

    question: str
    meant: str
    text: str
    answered: bool
    llm: str | None
    sources: tuple[Source, ...]
    at: str = ""
    conversation: str = ""


@dataclass(frozen=True)
class Found:
    """What was found for a question of a conversation.

    `meant`: the question as it was understood; `query`: what was searched for; `after`: what was asked before, where
    that was searched for, too.
    """

    result: "SearchResult"
    query: str
    meant: str
    after: str = ""
