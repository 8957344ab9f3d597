"""Prints the answers of `ask` as text or JSON."""

import sys
from collections.abc import Iterable, Sequence

from semsearch.answering.answer import Answer, answer_dict
from semsearch.cli.render import Notices, one_line, print_json, write
from semsearch.retrieval.hit import Hit


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

    @property
    def streams(self) -> bool:
        """Whether the answer is printed while the model writes it: for one question, as text, on a terminal."""
        return self._style == "text" and not self._batch and not self._quiet and sys.stdout.isatty()

    def notices(self, notices: Iterable[str], query_id: str | None) -> None:
        """Prints those of `notices` that were not printed before; `query_id`: that of the question, in a batch."""
        if not self._quiet:
            self._notices.tell(notices, query_id)

    def piece(self, text: str) -> None:
        """Prints the next piece of an answer that the model is writing."""
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

    def print_passages(self, question: str, hits: Sequence[Hit], model: str) -> None:
        """Prints the passages that were found for `question`, when the model that should have read them failed."""
        if self._streamed:
            write("")
            self._streamed = ""
        if self._quiet:
            return
        answer = Answer(question, "", False, model, (), tuple(hits))
        if self._style == "json":
            print_json(answer_dict(answer))
        else:
            self._contexts(answer)
        sys.stdout.flush()

    def _text(self, answer: Answer, query_id: str | None) -> None:
        if self._batch:
            write(one_line(f"{query_id}: {answer.question}"))
        if self._streamed:
            write("")
        else:
            for line in answer.text.splitlines():
                write(one_line(line))
        self._streamed = ""
        for sentence in answer.unsupported:
            write(f"[not supported by the documents] {one_line(sentence)}")
        if answer.citations:
            write("")
        for citation in answer.citations:
            write(f"[{citation.n}] {one_line(place(citation.path, citation.page, citation.line_start))}")
            if answer.llm is not None:
                write(f"    {one_line(citation.shown)}")
        if self._show_context:
            write("")
            self._contexts(answer)
        if self._batch:
            write("")

    def _contexts(self, answer: Answer) -> None:
        for number, hit in enumerate(answer.contexts, 1):
            heading = f"  {one_line(' > '.join(hit.heading))}" if hit.heading else ""
            # Of the beginning of the passage, which is printed whole.
            where = one_line(place(hit.path, *hit.place_at(0)))
            write(f"passage [{number}]  {hit.score:.3f}  {where}{heading}")
            for line in hit.text.splitlines():
                write(f"    {one_line(line)}")


def place(path: str, page: int | None, line: int | None) -> str:
    """A place for people: the path with the page, or with the line."""
    if page is not None:
        return f"{path}:p{page}"
    return path if line is None else f"{path}:{line}"
