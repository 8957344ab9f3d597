"""`semsearch ask log`: the questions that an index was asked before, and a way to forget them."""

from datetime import datetime

from semsearch.answering.question_log import SCHEMA, QuestionLog, turn_dict
from semsearch.answering.turn import Turn
from semsearch.cli import last_results
from semsearch.cli.formats import place_in, shown_file
from semsearch.cli.render import announce, one_line, print_json, write
from semsearch.errors import SemsearchError
from semsearch.plurals import count_of

# How many are listed where no number is given.
SHOWN = 20


def show(indexes: list[str], number: int, *, as_json: bool, forget: bool) -> int:
    """Lists the last `number` questions of the `indexes` (none: of the default one), or forgets all. The exit code: 1
    where there are none. Raises `SemsearchError`.
    """
    from semsearch import settings

    locations = [settings.index_for_reading(index) for index in indexes] or [settings.index_for_reading(None)]
    log = QuestionLog(locations, settings.history())
    try:
        if forget:
            count = log.forget()
            last_results.forget(locations)
            announce(f"{count_of(count, 'question')} forgotten")
            return 0
        turns = log.turns()[-number:]
    except OSError as error:
        raise SemsearchError(
            f"earlier questions cannot be read: {log.path}: {error.strerror}", "remove that file", code="os"
        ) from None
    if as_json:
        print_json({"schema": SCHEMA, "index": log.index, "questions": list(map(turn_dict, turns))})
    else:
        for turn in turns:
            _print(turn)
        if not turns:
            announce("no question is remembered" + ("" if log.is_kept else ": the setting history is 0"))
    return 0 if turns else 1


def _print(turn: Turn) -> None:
    write(f"{one_line(_local(turn.at))}  {one_line(turn.question)}")
    if turn.llm is not None and turn.meant != turn.question:
        write(f"    (taken for: {one_line(turn.meant)})")
    for line in turn.text.splitlines():
        write(f"    {one_line(line)}")
    for source in turn.sources:
        write(f"    {one_line(place_in(shown_file(source.path, source.file), source.page, source.line))}")


def _local(at: str) -> str:
    """The moment `at` (ISO 8601) by the clock of this machine; as it is where it is none."""
    try:
        return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return at
