"""How far `index` is: bars on a terminal, lines elsewhere, and what a signal does to it."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from semsearch.cli.render import announce, one_line
from semsearch.indexing import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


@contextmanager
def progress(quiet: bool) -> Iterator[Progress]:
    """Bars with rate and time left for reading and encoding, on a terminal; only announcements elsewhere."""
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
            announce=lambda message: bars.console.print(
                f"semsearch: {one_line(message)}", markup=False, highlight=False
            ),
            reading=lambda total: begin("reading files", total),
            read=lambda count: advance("reading files", count),
            encoding=lambda total: begin("encoding chunks", total),
            encoded=lambda count: advance("encoding chunks", count),
        )


def _bars(rate: bool) -> "Bars":
    """Bars on stderr with what is done of how much and the time left; `rate`: a field that tasks fill."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    return Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        *([TextColumn("{task.fields[rate]}", markup=False)] if rate else []),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


@contextmanager
def bars() -> Iterator[Callable[[str, int, int], None]]:
    """A function that is told (what is done, how much of it, of how much), with a bar for each on a terminal."""
    if not sys.stderr.isatty():
        yield lambda name, done, total: None
        return
    shown = _bars(rate=False)
    tasks: dict[str, TaskID] = {}

    def advance(name: str, done: int, total: int) -> None:
        if name not in tasks:
            tasks[name] = shown.add_task(name, total=total)
        shown.update(tasks[name], completed=done, visible=done < total)

    with shown:
        yield advance


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does: what is encoded is committed first."""

    def interrupt(signal_number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
