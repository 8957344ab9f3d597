"""`semsearch ask --chat`: a conversation, on a terminal with a prompt, or with one question a line of a pipe."""

import io
import sys
from collections.abc import Callable
from functools import partial

from semsearch.answering.answer import Answer
from semsearch.cli.answers import AnswerPrinter
from semsearch.cli.failure import fail
from semsearch.cli.formats import on_host, place_in, shown_path
from semsearch.cli.interrupts import stoppable
from semsearch.cli.opener import open_place
from semsearch.cli.render import announce, one_line, write
from semsearch.cli.session import Session
from semsearch.cli.streams import for_terminal
from semsearch.errors import SemsearchError

_PROMPT = "> "
_LEAVING = frozenset({"/quit", "/exit", "/q"})
_HELP = """\
/sources   the passages that the last answer was made of
/open N    open source N of the last answer
/help      this list
/quit      leave, as Ctrl-D does
Anything else is a question; one that begins with a slash, behind a blank. Ctrl-C clears the line, and stops a model."""
# Questions that the arrow keys bring back from earlier conversations.
_MOST_RECALLED = 200


class Chat:
    """A conversation with a `session`; `printer` makes a printer for each answer."""

    def __init__(self, session: Session, printer: Callable[[], AnswerPrinter]) -> None:
        self._session = session
        self._printer = printer
        self._last: Answer | None = None
        self._answered = False
        self._failed = False

    def hold(self, first: str | None) -> int:
        """Answers `first`, if there is one, and then what is typed until the end. The exit code: on a terminal 0; of a
        pipe 0 where any question was answered, 1 where none was, 2 where the last try was an error and none was.
        """
        at_terminal = sys.stdin.isatty()
        if isinstance(sys.stdin, io.TextIOWrapper):
            # As in the files of --queries; a terminal has an encoding of its own.
            sys.stdin.reconfigure(encoding=None if at_terminal else "utf-8", errors="replace")
        if at_terminal:
            self._session.prepare(stoppable)
            if sys.stdout.isatty():
                _recall(self._session)
            announce("what do you want to know? /help lists the commands, Ctrl-D leaves")
        if first is not None:
            self._ask(first)
        while (line := _typed() if at_terminal else sys.stdin.readline() or None) is not None:
            if line.startswith("/"):
                if line.strip() in _LEAVING:
                    break
                self._tried(partial(self._do, line))
            elif at_terminal and "/" + line.strip() in _LEAVING:
                break
            elif line.strip():
                self._ask(line.strip())
        if at_terminal or self._answered:
            return 0
        return 2 if self._failed else 1

    def _ask(self, question: str) -> None:
        def ask() -> None:
            self._last = self._session.ask(question, None, self._printer(), follows=True)
            self._answered = self._answered or self._last.answered
            if self._session.failure is not None:
                raise self._session.failure

        try:
            self._tried(ask)
        except KeyboardInterrupt:  # while the model was asked: what it said so far is on the screen
            write("")
            announce("stopped")
        write("")
        sys.stdout.flush()

    def _tried(self, what: Callable[[], None]) -> None:
        try:
            what()
        except SemsearchError as error:
            self._failed = True
            fail(error, (), error.exit_code)

    def _do(self, line: str) -> None:
        """Does what a line that begins with a slash says. Raises `SemsearchError`."""
        command, *arguments = line.split()
        if command == "/help":
            for row in _HELP.splitlines():
                write(row)
        elif command == "/sources":
            for number, hit in enumerate(self._of_last().contexts, 1):
                heading = f"  {one_line(' > '.join(hit.heading))}" if hit.heading else ""
                write(
                    f"[{number}] {one_line(place_in(shown_path(hit), hit.page, hit.line_start))}{on_host(hit)}{heading}"
                )
                for citation in self._of_last().citations:
                    if citation.n == number:
                        write(f"    {one_line(citation.shown)}")
        elif command == "/open":
            self._open(arguments)
        else:
            raise SemsearchError(
                f"{command} is no command", "see /help; a question may begin with a blank", code="usage"
            )
        sys.stdout.flush()

    def _open(self, arguments: list[str]) -> None:
        contexts = self._of_last().contexts
        number = int(arguments[0]) if len(arguments) == 1 and arguments[0].isdecimal() else 0
        if not 1 <= number <= len(contexts):
            raise SemsearchError(
                "/open: name a source of the last answer", f"/open N, from 1 to {len(contexts)}", code="usage"
            )
        open_place(self._session.places(self._of_last())[number - 1])

    def _of_last(self) -> Answer:
        if self._last is None or not self._last.contexts:
            raise SemsearchError("there is no answer with sources yet", "ask something", code="usage")
        return self._last


def _typed() -> str | None:
    """The next line that is typed at the terminal; None at its end. An interrupted line is nothing."""
    try:
        with stoppable():
            if sys.stdout.isatty():
                return input(_PROMPT)
            print(_PROMPT, end="", file=sys.stderr, flush=True)  # answers alone go where stdout leads
            return sys.stdin.readline() or None
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return ""
    except EOFError:
        write("")
        return None


def _recall(session: Session) -> None:
    """Lets the arrow keys bring back what was asked before; nothing where Python was built without readline."""
    try:
        import readline
    except ImportError:
        return
    for question in session.asked_before()[-_MOST_RECALLED:]:
        # What is brought back is written by readline itself, past what cleans all else for the terminal.
        readline.add_history(for_terminal(one_line(question.encode("utf-8", "replace").decode())))
