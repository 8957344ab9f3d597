"""The answer to a question and its citations; nothing here makes one."""

from dataclasses import dataclass
from typing import Any

from semsearch.retrieval.hit import Hit, hit_dict

SCHEMA = "semsearch.ask/1"
NOT_FOUND = "not found in these documents"


@dataclass(frozen=True)
class Citation:
    """The source that `[n]` in an answer means. `quote` is verbatim from the document, at these 1-based lines."""

    n: int
    path: str
    page: int | None
    line_start: int | None
    line_end: int | None
    quote: str


@dataclass(frozen=True)
class Answer:
    """The answer to a question. `contexts[n - 1]` is the passage that `[n]` means.

    `answered`: False where the documents do not hold the answer. `llm`: the chat model that wrote `text`; None when it
    is quoted from the documents. `unsupported`: sentences of `text` that the passages they cite do not support.
    `notices`: what went wrong on the way, for people. `meant`: how a question that follows on others was understood, ""
    where it was taken as it is.
    """

    question: str
    text: str
    answered: bool
    llm: str | None
    citations: tuple[Citation, ...]
    contexts: tuple[Hit, ...]
    unsupported: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
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
        "citations": [vars(citation) for citation in answer.citations],
        "unsupported": list(answer.unsupported),
        "contexts": [hit_dict(hit) for hit in answer.contexts],
    }
