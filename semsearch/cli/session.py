"""Questions of one run of `ask`: each is answered, printed, saved and remembered."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from semsearch.answering.question_log import QuestionLog, new_conversation, turn_of
from semsearch.answering.turn import MOST_TURNS, Turn
from semsearch.cli.answers import AnswerPrinter
from semsearch.cli.last_results import ShownPlace, index_of, place_of, remember
from semsearch.cli.model_failures import ModelFailures
from semsearch.cli.render import announce
from semsearch.errors import SemsearchError, UsageError

if TYPE_CHECKING:
    from semsearch.answering.answer import Answer
    from semsearch.answering.expansion import Expander
    from semsearch.answering.llm import LlmSettings
    from semsearch.retrieval.hit import SearchResult
    from semsearch.retrieval.options import SearchOptions
    from semsearch.retrieval.protocol import SearchEngine


class Session:
    """Answers questions of `engine`, by `model` or by quotations; None: quotations.

    `failure`: the error of a model that failed on the last question, whose answer is quoted then; `failures`: on all.
    `expander`: gives other ways to say them; `log`: where they are remembered, None: nowhere; `save`: a Markdown file
    that each answer is added to.
    """

    def __init__(
        self,
        engine: "SearchEngine",
        options: "SearchOptions",
        model: "LlmSettings | None",
        *,
        expander: "Expander | None" = None,
        log: QuestionLog | None = None,
        save: str | None = None,
    ) -> None:
        self.log = log
        self.failure: SemsearchError | None = None
        self.failures = ModelFailures(model.model if model is not None else "")
        self._engine = engine
        self._options = options
        self._model = model
        self._expander = expander
        self._save = save
        self._conversation = new_conversation()
        self._turns: list[Turn] = []
        self._while_asking: Callable[[], AbstractContextManager[None]] = nullcontext

    def prepare(self, while_asking: Callable[[], AbstractContextManager[None]]) -> None:
        """Makes ready to ask the model, before any question is there; `while_asking` is entered while it is asked.

        Raises `SemsearchError` where it cannot be asked at all, as without a key.
        """
        self._while_asking = while_asking
        if self._expander is not None:
            self._expander.while_asking = while_asking
        if self._model is not None:
            from semsearch.answering.llm import chat

            chat(self._model)

    def go_on(self) -> None:
        """Goes on with the conversation of the index that was held last; says so where there is none."""
        try:
            turns = [] if self.log is None else self.log.last_conversation()
        except OSError as error:
            _announce_unread(error)
            return
        if not turns:
            off = self.log is not None and not self.log.is_kept
            announce("there is no conversation to go on with" + (": the setting history is 0" if off else ""))
            return
        self._turns, self._conversation = turns, turns[-1].conversation

    def asked_before(self) -> list[str]:
        """The questions that are remembered, oldest first; says so where they cannot be read."""
        try:
            return [] if self.log is None else [turn.question for turn in self.log.turns()]
        except OSError as error:
            _announce_unread(error)
            return []

    def ask(self, question: str, query_id: str | None, printer: AnswerPrinter, *, follows: bool = False) -> "Answer":
        """The answer to `question`, printed; `query_id`: in a batch; `follows`: it goes on from those before.

        If the model fails, the answer is quoted, and `failure` is its error; in a batch that is told at once.
        """
        answer = self._answered(question, query_id, printer, self._turns if follows else ())
        printer.print(answer, query_id)
        turn = turn_of(answer, self._conversation)
        self._turns = [*self._turns, turn][-MOST_TURNS:]
        if self.log is not None:
            try:
                self.log.append(turn)
            except OSError as error:
                printer.notices(
                    [f"this question is not remembered: {_said(error)} (SEMSEARCH_HISTORY=0: none is)"], None
                )
        if printer.is_for_people and answer.citations:
            remember(self.places(answer))
        if self._save is not None:
            _add(self._save, answer)
        return answer

    def places(self, answer: "Answer") -> list[ShownPlace]:
        """Where the sources of `answer` stand, each at the first place that the answer cites."""
        cited = {one.n: (one.page, one.line_start) for one in reversed(answer.citations)}
        places = []
        for number, hit in enumerate(answer.contexts, 1):
            page, line = cited.get(number, (hit.page, hit.line_start))
            places.append(place_of(hit, page, line, index_of(self._engine)))
        return places

    def _answered(
        self, question: str, query_id: str | None, printer: AnswerPrinter, conversation: Sequence[Turn]
    ) -> "Answer":
        from semsearch.answering.pipeline import ask, quoted

        results: list[SearchResult] = []

        def on_search(result: "SearchResult") -> None:
            results.append(result)
            printer.notices(result.notices, query_id)

        in_batch = query_id is not None
        self.failure = None
        model = None if in_batch and self.failures.too_many else self._model
        try:
            answer = ask(
                self._engine,
                question,
                self._options,
                model,
                printer.piece if printer.streams else None,
                on_search,
                conversation,
                self._expander,
                self._while_asking,
                on_thought=printer.thought if printer.streams else None,
                on_wait=lambda notice: printer.notices([notice], query_id),
            )
        except SemsearchError as error:
            if model is None or not results or not results[0].hits:
                raise
            self.failure = error
        else:
            self.failures.count(failed=model is not self._model)
            return answer
        self.failures.count(failed=True)
        printer.model_failed(self.failure, query_id)
        if in_batch and self.failures.too_many:
            printer.notices([self.failures.notice], None)
        return quoted(self._engine, question, results[0], self._options)


def opened_log(engine: "SearchEngine") -> QuestionLog:
    """The log of the questions that the indexes of `engine` were asked."""
    from semsearch import settings
    from semsearch.retrieval.multi_searcher import MultiSearcher
    from semsearch.retrieval.searcher import Searcher

    searchers = engine.searchers if isinstance(engine, MultiSearcher) else [engine]
    return QuestionLog([one.index for one in searchers if isinstance(one, Searcher)], settings.history())


def check_save(path: str) -> None:
    """Raises `UsageError` where answers cannot be saved in the file `path`, before anything is asked."""
    if not path:
        raise UsageError("--save names no file", "name one: --save answers.md")
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise UsageError(f"--save {path}: no such folder: {folder}", "make it first")
    if not os.path.lexists(path):
        if not os.access(folder, os.W_OK):
            raise UsageError(f"--save {path}: nothing can be made in {folder}", "name a file in another folder")
        return
    if not os.path.isfile(path):
        raise UsageError(f"--save {path} is no file", "name another one")
    if not os.access(path, os.W_OK):
        raise UsageError(f"--save {path} cannot be written", "name another file")
    with open(path, "rb") as file:
        try:
            file.read().decode()
        except UnicodeDecodeError:
            raise UsageError(f"--save {path} is no text: nothing is added to it", "name another file") from None


def _add(path: str, answer: "Answer") -> None:
    """Adds `answer` to the Markdown file `path`. Raises `SemsearchError` where that fails; what was there stays."""
    from semsearch.cli.markdown import section

    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(section(answer, os.path.dirname(os.path.abspath(path)), file.tell() == 0))
    except OSError as error:
        raise SemsearchError(
            f"the answer is not saved in {path}: {error.strerror}", "name another file with --save", code="os"
        ) from None


def _announce_unread(error: OSError) -> None:
    announce(f"earlier questions cannot be read: {_said(error)}")


def _said(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
