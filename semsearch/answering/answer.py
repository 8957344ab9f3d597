"""The answer to a question and its citations; nothing here makes one."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from semsearch.retrieval.hit import Hit, hit_dict, host_field
from semsearch.retrieval.tables import Row, labelled

SCHEMA = "semsearch.ask/1"
NOT_FOUND = "not found in these documents"


@dataclass(frozen=True)
class Citation:
    """The source that `[n]` in an answer means. `quote` is verbatim from the document, at these 1-based lines.

    `row`: where the quote is a row of a table, its cells with the heads of their columns.
    `status`: `supported`, it bears out a statement that cites it; `attached`, it bears one out that named no source;
    `unchecked`, that cannot be told; `unsupported`, it bears out nothing that cites it.
    """

    n: int
    path: str
    page: int | None
    line_start: int | None
    line_end: int | None
    quote: str
    row: Row = ()
    status: Literal["supported", "attached", "unchecked", "unsupported"] = "supported"

    @property
    def shown(self) -> str:
        """The quote for people: on one line, of a row each cell with its head."""
        return " ".join((labelled(self.row) or self.quote).split())

    def in_full(self, hit: Hit) -> "Citation":
        """This one with its `row`, where its quote stands in `hit` and is one."""
        at = hit.text.find(self.quote)
        return self if at < 0 else replace(self, row=hit.row_at(at, at + len(self.quote)))


@dataclass(frozen=True)
class Statement:
    """A sentence of an answer, verbatim, and what came of checking it.

    `status`: `supported`; `unsupported` by the sources that it cites; `unnamed`, it cites none and none bears it out;
    `unchecked`, whether it is supported cannot be told, because of its `reason`: `language`, `calculation`, `nothing to
    check` or `too many sentences`; `outside`, it stands beside saying that the documents do not hold the answer.
    `cited`: the numbers that it names; `sources`: those that bear it out.
    """

    text: str
    status: Literal["supported", "unsupported", "unnamed", "unchecked", "outside"]
    reason: str
    cited: tuple[int, ...]
    sources: tuple[int, ...]


@dataclass(frozen=True)
class Answer:
    """The answer to a question. `contexts[n - 1]` is the passage that `[n]` means.

    `answered`: False where the documents do not hold the answer. `llm`: the chat model that wrote `text`; None when it
    is quoted from the documents. `unsupported`: sentences of `text` that the passages they cite do not support, or that
    cite none and that none supports; `statements`: all of its sentences, checked. `written`: the text before marks were
    added to sentences that named no source. `notices`: what went wrong on the way, for people.
    `meant`: how a question that follows on others was understood, "" where it was taken as it is.
    """

    question: str
    text: str
    answered: bool
    llm: str | None
    citations: tuple[Citation, ...]
    contexts: tuple[Hit, ...]
    unsupported: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    statements: tuple[Statement, ...] = ()
    written: str = ""
    meant: str = ""


def answer_dict(answer: Answer) -> dict[str, Any]:
    """The `semsearch.ask/1` object of `answer`."""
    return {
        "schema": SCHEMA,
        "question": answer.question,
        **({"meant": answer.meant} if answer.meant else {}),
        "answer": answer.text,
        "answered": answer.answered,
        "llm": answer.llm,
        "citations": [
            vars(citation)
            | {"row": [vars(cell) for cell in citation.row] or None}
            | host_field(answer.contexts[citation.n - 1].host)
            for citation in answer.citations
        ],
        "unsupported": list(answer.unsupported),
        "statements": [
            {**vars(statement), "cited": list(statement.cited), "sources": list(statement.sources)}
            for statement in answer.statements
        ],
        "contexts": [hit_dict(hit) for hit in answer.contexts],
    }
