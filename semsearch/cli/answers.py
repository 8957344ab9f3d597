"""Prints the answers of `ask` as text or JSON."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from semsearch.answering.answer import Answer, Statement, answer_dict
from semsearch.cli.formats import on_host, place_in, shown_path
from semsearch.cli.render import Notices, one_line, print_json, write
from semsearch.errors import SemsearchError
from semsearch.plurals import count_of

if TYPE_CHECKING:
    from rich.console import Console


# Sentences about which something is said; more are counted.
_MOST_DOUBTS = 20
_DOUBTS = {
    "unsupported": "not supported by the documents",
    "unnamed": "no source named, and none found",
    "outside": "not from the documents",
}
_UNCHECKED = {
    "language": "not checkable: in another language than its source",
    "calculation": "not checkable: calculated",
    "too many sentences": "not checked: the answer is too long",
}
_REMARKS = {
    "supported": "",
    "attached": "  (found by comparing: the model did not name it)",
    "unchecked": "",
    "unsupported": "  (cited, but does not bear that out)",
}


class AnswerPrinter:
    """Prints answers one after another; notices go to stderr, each once.

    `style`: text or json; `show_context`: the passages that were read are printed, too; `batch`: there are many
    questions, and each answer says which one it belongs to; `quiet`: nothing is printed.
    """

    def __init__(self, style: str, *, show_context: bool, batch: bool, quiet: bool) -> None:
        self._style = style
        self._show_context = show_context
        self._batch = batch
        self._quiet = quiet
        self._notices = Notices(batch)
        self._streamed = ""
        self._thinking = False
        self._dimmed: Console | None = None

    @property
    def is_for_people(self) -> bool:
        """Whether one answer is printed as text, with numbers that people see."""
        return self._style == "text" and not self._batch and not self._quiet

    @property
    def streams(self) -> bool:
        """Whether the answer is printed while the model writes it: for one question, as text, on a terminal."""
        return self.is_for_people and sys.stdout.isatty()

    def notices(self, notices: Iterable[str], query_id: str | None) -> None:
        """Prints those of `notices` that were not printed before; `query_id`: that of the question, in a batch."""
        if not self._quiet:
            self._notices.tell(notices, query_id)

    def thought(self, text: str) -> None:
        """Prints the next piece of what the model thinks, dimmed; nothing where the terminal cannot show that."""
        from semsearch.cli.console import console

        self._dimmed = self._dimmed or console(sys.stdout)
        if not self._dimmed.is_dumb_terminal:
            self._thinking = True
            self._dimmed.out(text, style="dim", end="", highlight=False)

    def piece(self, text: str) -> None:
        """Prints the next piece of an answer that the model is writing."""
        if self._thinking:
            sys.stdout.write("\n\n")
            self._thinking = False
        self._streamed += text
        sys.stdout.write(text)
        sys.stdout.flush()

    def print(self, answer: Answer, query_id: str | None) -> None:
        """Prints `answer` and its notices; `query_id`: that of the question, in a batch."""
        self.notices(answer.notices, query_id)
        if self._quiet:
            return
        if self._style == "json":
            print_json(({"query_id": query_id} if self._batch else {}) | answer_dict(answer))
        else:
            self._text(answer, query_id)
        sys.stdout.flush()

    def model_failed(self, error: SemsearchError, query_id: str | None) -> None:
        """Prints that the documents are quoted because of `error`, which for one question is told in the end."""
        if self._streamed or self._thinking:
            write("\n")
            self._streamed, self._thinking = "", False
        if self._batch:
            self.notices([f"{error.message}{error.hint and f' ({error.hint})'}: quoted instead"], query_id)

    def _text(self, answer: Answer, query_id: str | None) -> None:
        if self._batch:
            write(one_line(f"{query_id}: {answer.question}"))
        if self._thinking:
            write("\n")
        if self._streamed:
            write("")
        shown, text = ("".join(part.split()) for part in (self._streamed, answer.written))
        if shown and not shown.startswith(text) and shown.endswith(text):
            write("[only the last part is the answer: before it the model thought aloud, or repeated the sources]")
        elif not shown or not shown.startswith(text):
            # What was shown while it came had something around it: a fence, or an object of JSON.
            if shown:
                write("")
            for line in answer.text.splitlines():
                write(one_line(line))
        self._streamed, self._thinking = "", False
        self._checks(answer)
        if answer.citations:
            write("")
        for place, quotes in _sources(answer).items():
            write(place)
            for quote in quotes:
                write(f"    {quote}")
        if self._show_context:
            write("")
            self._contexts(answer)
        if self._batch:
            write("")

    def _checks(self, answer: Answer) -> None:
        """Prints the sentences that no source bears out, or of which that cannot be told."""
        doubtful = [(_doubt(statement), statement) for statement in answer.statements]
        lines = [f"[{doubt}] {one_line(statement.text)}" for doubt, statement in doubtful if doubt]
        for line in lines[:_MOST_DOUBTS]:
            write(line)
        if len(lines) > _MOST_DOUBTS:
            write(f"[and {len(lines) - _MOST_DOUBTS:,} more of {count_of(len(answer.statements), 'sentence')}]")

    def _contexts(self, answer: Answer) -> None:
        for number, hit in enumerate(answer.contexts, 1):
            heading = f"  {one_line(' > '.join(hit.heading))}" if hit.heading else ""
            # Of the beginning of the passage, which is printed whole.
            where = one_line(place_in(shown_path(hit), *hit.place_at(0)))
            write(f"passage [{number}]  {hit.score:.3f}  {where}{on_host(hit)}{heading}")
            for line in hit.text.splitlines():
                write(f"    {one_line(line)}")


def _sources(answer: Answer) -> dict[str, dict[str, None]]:
    """Each place that `answer` cites, once, with what is quoted of it under an answer of a model."""
    sources: dict[str, dict[str, None]] = {}
    for citation in answer.citations:
        hit = answer.contexts[citation.n - 1]
        where = one_line(place_in(shown_path(hit), citation.page, citation.line_start))
        quotes = sources.setdefault(f"[{citation.n}] {where}{on_host(hit)}{_REMARKS[citation.status]}", {})
        if answer.llm is not None and citation.status != "unsupported":
            quotes[one_line(citation.shown)] = None
    return sources


def _doubt(statement: Statement) -> str:
    """What is said against `statement`; "" where there is nothing."""
    if statement.status == "unchecked":
        return _UNCHECKED.get(statement.reason, "")
    return _DOUBTS.get(statement.status, "")
