"""Progress bars on a terminal, messages elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from semsearch.callbacks import Advance, Announce
from semsearch.cli.render import announce, one_line
from semsearch.indexing import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


@contextmanager
def progress(quiet: bool) -> Iterator[Progress]:
    """The `Progress` of a run of `index`: bars with rate and time left on a terminal, only messages elsewhere.

    With `quiet` nothing is printed.
    """
    if quiet:
        yield Progress()
        return
    if not sys.stderr.isatty():
        yield Progress(announce=announce)
        return
    bars = _bars(rate=True)
    tasks: dict[str, TaskID] = {}

    def begin(name: str, total: int) -> None:
        tasks[name] = bars.add_task(name, total=total, rate="")

    def advance(name: str, count: int) -> None:
        task = bars.tasks[tasks[name]]
        speed = f"{task.speed:,.0f}/s" if task.speed else ""
        bars.update(tasks[name], advance=count, rate=speed)

    with bars:
        yield Progress(
            announce=lambda message: _above(bars, message),
            reading=lambda total: begin("reading files", total),
            read=lambda count: advance("reading files", count),
            encoding=lambda total: begin("encoding chunks", total),
            encoded=lambda count: advance("encoding chunks", count),
            keeping=lambda total: begin("token vectors", total),
            kept=lambda count: advance("token vectors", count),
        )


def _bars(rate: bool) -> "Bars":
    """Progress bars on stderr with counts and the time left; `rate`: with a field `rate` that the caller fills."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    from semsearch.cli.console import console

    return Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        *([TextColumn("{task.fields[rate]}", markup=False)] if rate else []),
        TimeRemainingColumn(),
        console=console(sys.stderr),
        transient=True,
        # Rich would read colours and links from what is printed meanwhile.
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _above(bars: "Bars", message: str) -> None:
    """Prints a message for the user above `bars`."""
    bars.console.print(f"semsearch: {one_line(message)}", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def bars(quiet: bool) -> Iterator[tuple[Announce, Advance]]:
    """(the function for messages, the one for progress): on a terminal a bar for each name, with messages above.

    Elsewhere progress is not shown. With `quiet` no message is printed.
    """
    if not sys.stderr.isatty():
        yield _silent if quiet else announce, lambda name, done, total: None
        return
    shown = _bars(rate=False)
    tasks: dict[str, TaskID] = {}

    def advance(name: str, done: int, total: int) -> None:
        if name not in tasks:
            tasks[name] = shown.add_task(name, total=total)
        shown.update(tasks[name], completed=done, visible=done < total)

    with shown:
        yield _silent if quiet else lambda message: _above(shown, message), advance


def _silent(message: str) -> None:
    pass
