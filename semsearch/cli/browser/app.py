"""The screen of `browse`: what keys do, and what is asked of the index meanwhile.

The index is asked in the threads of `service.operations`. A search that has not begun when the next key comes is left
out; one that ends after a newer was asked for is not shown.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.events import Paste
from textual.filter import LineFilter
from textual.widgets import Footer, Input, Static

from semsearch.cli.browser.help import Help
from semsearch.cli.browser.hits import WIDE, HitList
from semsearch.cli.browser.lines import Cleaning, clean
from semsearch.cli.browser.preview import NOTHING, Preview, marked
from semsearch.cli.formats import place
from semsearch.cli.interrupts import EXIT_CODE
from semsearch.cli.last_results import place_of
from semsearch.cli.opener import open_place
from semsearch.errors import SemsearchError, UsageError
from semsearch.plurals import count_of
from semsearch.retrieval.hit import Hit, SearchResult
from semsearch.retrieval.options import GROUPS
from semsearch.service.operations import Operations, Shown
from semsearch.service.parameters import PASSAGE, SEARCH

# Hits of one search, and how many there can be: what `SEARCH` lets be paged through.
_HITS = 50
_MOST_HITS = 1_000
# What of a file is shown above and below a hit.
_LINES_AROUND = 150
_LINES_OF_PAGE_AROUND = 40
_MOST_LINES = 2_000
# After an error the index is asked again so often, as it may be back.
_AGAIN_SECONDS = 2.0
# How long the end may take once a signal came; a terminal that is gone may hold it up.
_END_SECONDS = 2.0
# What keys do also where the help is above the screen.
_ANYWHERE = frozenset({"quit", "interrupt", "suspend_process"})
_TIMES = {"": "any time", "7d": "last week", "30d": "last month", "365d": "last year"}


# In this order; learned sparse vectors, which few indexes have, are asked for by the flag.
_MODES = ("hybrid", "lexical", "dense")


class Browser(App[None]):
    """Searches with `operations` as the user types, first for `query`.

    `asked`: the parameters of every search beside its query, by the names of `parameters.SEARCH`. `failure`: the defect
    that ended it; `interrupted`: Ctrl-C or a signal did. `found`: what the hits are of that are shown.
    `trouble`: what is wrong with the index, "" for nothing.
    """

    ENABLE_COMMAND_PALETTE = False
    TITLE = "semsearch"
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "narrow"), (WIDE, "wide")]  # noqa: RUF012
    CSS = """
    Screen { layers: below above; }
    #query { border: none; height: 1; padding: 0 1; width: 1fr; }
    #prompt { width: 2; color: ansi_cyan; text-style: bold; }
    #top { layout: horizontal; height: 1; }
    #status { height: 1; color: ansi_default; text-style: dim; padding: 0 1;
              text-wrap: nowrap; text-overflow: ellipsis; }
    #status.whole { height: auto; max-height: 8; text-wrap: wrap; }
    #status.wrong { color: ansi_red; text-style: bold; }
    #body { layout: vertical; height: 1fr; }
    #hits { height: 2fr; }
    #preview { height: 3fr; border-top: solid ansi_bright_black; border-title-color: ansi_magenta; }
    #preview:focus { border-top: solid ansi_cyan; }
    .wide #body { layout: horizontal; }
    .wide #hits { width: 2fr; height: 1fr; }
    .wide #preview { width: 3fr; height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", priority=True),
        Binding("ctrl+y", "copy", "Copy", priority=True),
        Binding("tab,shift+tab", "turn", "Read", priority=True),
        Binding("ctrl+t", "mode", "Mode", priority=True),
        Binding("ctrl+g", "group", "File", priority=True),
        Binding("f2", "type", "Type"),
        Binding("f3", "folder", "Path"),
        Binding("f4", "time", "Time"),
        Binding("f1", "help", "Help"),
        Binding("f5", "again", show=False),
        Binding("escape", "step_back", "Back"),
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("ctrl+p", "move(-1)", show=False, priority=True),
        Binding("ctrl+n", "move(1)", show=False, priority=True),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("shift+up", "scroll(-1)", show=False),
        Binding("shift+down", "scroll(1)", show=False),
        Binding("question_mark", "help", show=False),
        Binding("ctrl+q", "quit", show=False, priority=True),
        Binding("ctrl+c", "interrupt", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", show=False, priority=True),
    ]

    def __init__(self, operations: Operations, query: str, asked: Mapping[str, Any]) -> None:
        self._cleaning = Cleaning()
        super().__init__(ansi_color=True)
        self.theme = "ansi-dark"  # the colours of the terminal, dark or light
        self.failure: Exception | None = None
        self.interrupted = False
        self._operations = operations
        self._first = query
        self.hits = HitList(id="hits")
        self.preview = Preview(id="preview")
        self._status = Static(id="status", markup=False)
        self._asked = dict(asked)
        self._streams = sys.stdout, sys.stderr
        self._searching: Future[SearchResult] | None = None
        self._reading: Future[Shown] | None = None
        self.found: SearchResult | None = None
        self._shown_query = ""
        self._more = False
        self.trouble = ""

    @property
    def is_searching(self) -> bool:
        """Whether results are waited for."""
        return self._searching is not None

    def compose(self) -> ComposeResult:
        self.box = _Query(self._first, placeholder="words or a question; F1: keys", id="query", select_on_focus=False)
        with Container(id="top"):
            yield Static("❯ ", id="prompt", markup=False)
            yield self.box
        yield self._status
        with Container(id="body"):
            yield self.hits
            yield self.preview
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self.box.focus()
        if not self.is_headless:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) != signal.SIG_IGN:  # nohup
                    loop.add_signal_handler(number, self._end)
        # After Ctrl-Z and `fg` the terminal is empty, and Textual draws only what changed meanwhile.
        self.app_resume_signal.subscribe(self, lambda _: self.refresh(layout=True))
        self._operations.warm_up()
        self.set_interval(_AGAIN_SECONDS, self._look_again)
        self._tell()

    def get_line_filters(self) -> list[LineFilter]:
        return [self._cleaning, *super().get_line_filters()]

    # -- searching ---------------------------------------------------------------------------------------------------

    @on(Input.Changed)
    def _typed(self) -> None:
        self._search()

    def action_again(self) -> None:
        self._search()

    def _look_again(self) -> None:
        if self.trouble and self._searching is None:
            self._search()

    def _search(self) -> None:
        """Asks for what the query means now, and for nothing that was asked before."""
        for waiting in (self._searching, self._reading):
            if waiting is not None:
                waiting.cancel()
        self._searching = None
        if not self.box.value.strip():
            self.found, self.trouble = None, ""
            self.hits.show([], frozenset())
            self._tell()
            return
        self._ask(0, self._found)

    def _ask(self, offset: int, then: Callable[[SearchResult], None]) -> None:
        try:
            asked = SEARCH.checked({**self._asked, "query": self.box.value, "k": _HITS, "offset": offset})
            self._searching = future = self._operations.search(asked)
        except SemsearchError as error:
            self._fail(error)
            return

        def done(result: SearchResult) -> None:
            if self._searching is future:
                self._searching = None
                self.trouble = ""
                then(result)

        def failed(error: BaseException) -> None:
            if self._searching is future:
                self._searching = None
                self._fail(error)

        self._when_done(future, done, failed)

    def _found(self, result: SearchResult) -> None:
        before = self.hits.hit if result.query == self._shown_query else None
        self.found, self._shown_query = result, result.query
        self._more = len(result.hits) == _HITS
        self.hits.show(result.hits, result.keys)
        same = [number for number, hit in enumerate(result.hits) if before and hit.chunk_id == before.chunk_id]
        if same:  # the same search again: the choice stays
            self.hits.choose(same[0])
        self._tell()

    def _found_more(self, result: SearchResult) -> None:
        self._more = len(result.hits) == _HITS
        self.hits.add(result.hits)
        self._tell()

    def _when_done(
        self, future: "Future[Any]", done: Callable[[Any], None], failed: Callable[[BaseException], None]
    ) -> None:
        """Has `done` or `failed` called by this thread when `future` is done, unless it was cancelled."""

        def tell() -> None:
            if future.cancelled() or not self.is_running:
                return
            error = future.exception()
            if error is None:
                done(future.result())
            else:
                failed(error)

        loop = asyncio.get_running_loop()

        def ended(_: "Future[Any]") -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(tell)

        future.add_done_callback(ended)

    # -- the status line ---------------------------------------------------------------------------------------------

    def _fail(self, error: BaseException) -> None:
        """Says what is wrong. What was found stays, as it may be read."""
        told = (
            error
            if isinstance(error, SemsearchError)
            else SemsearchError(f"unexpected {type(error).__name__}: {error}")
        )
        self.trouble = f"{told.message}{f' ({told.hint})' if told.hint else ''}"
        # A query that is wrong is not right by itself.
        if isinstance(error, UsageError):
            self._tell(self.trouble)
            self.trouble = ""
        else:
            self._tell()

    def _tell(self, message: str = "") -> None:
        """Shows `message`, or how things stand."""
        self._write(message or self.trouble or self._standing(), wrong=bool(message or self.trouble))

    def _write(self, message: str, *, wrong: bool = False) -> None:
        self._status.set_class(wrong, "wrong")
        # Where no results need the rows, why there are none is told to its end.
        self._status.set_class(wrong or (self.found is not None and not self.hits.hits), "whole")
        self._status.update(Text(clean(message)))

    def _standing(self) -> str:
        mode, group = self._asked["mode"], self._asked["group"]
        how = [mode, "by file" if group == "file" else "passages"]
        if self._asked.get("since"):
            since = self._asked["since"]
            how.append(_TIMES.get(since, f"since {since}"))
        how += [f"{name} {', '.join(self._asked[name])}" for name in ("path", "type", "where") if self._asked.get(name)]
        how += [f"before {self._asked['before']}"] if self._asked.get("before") else []
        parts = [" · ".join(how)]
        if self.found is not None:
            count = len(self.hits.hits)
            found = f"{count:,}{'+' if self._more else ''} found" if count else "nothing found"
            parts = [f"{found} · {parts[0]} · {count_of(self.found.coverage.files, 'file')}"]
            if self.found.mode != mode:
                parts.append(f"searched as {self.found.mode}")
            parts += self.found.notices
        return "; ".join(parts)

    # -- the preview -------------------------------------------------------------------------------------------------

    @on(HitList.Chosen)
    def _show(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        self._reading = None
        hit = self.hits.hit
        if hit is None:
            self.preview.border_title = ""
            self.preview.show(NOTHING)
            return
        if self.hits.chosen >= len(self.hits.hits) - self.hits.page and self._more and self._searching is None:
            offset = len(self.hits.hits)
            if offset < _MOST_HITS:
                self._ask(offset, self._found_more)
        keys = self.found.keys if self.found else frozenset()
        try:
            self._reading = future = self._operations.passage(_around(hit))
        except SemsearchError as error:
            self._fail(error)
            return

        def done(shown: Shown) -> None:
            if self._reading is future:
                self._preview_of(hit, shown, keys)

        def failed(error: BaseException) -> None:
            if self._reading is future:
                self._preview_of(hit, None, keys)
                self._fail(error)

        self._when_done(future, done, failed)

    def _preview_of(self, hit: Hit, shown: Shown | None, keys: frozenset[str]) -> None:
        title = place(hit) + (f"  {shown.file.change}" if shown is not None and shown.file.change else "")
        self.preview.border_title = Text(clean(title)).markup
        self.preview.show(marked(hit, shown.lines if shown is not None else (), keys))

    # -- keys --------------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # What is above the screen, the help, has keys of its own.
        return len(self.screen_stack) < 2 or action in _ANYWHERE

    def action_move(self, by: int) -> None:
        self.hits.move(by)

    def action_page(self, by: int) -> None:
        self.hits.move(by * self.hits.page)

    def action_scroll(self, by: int) -> None:
        self.preview.scroll_relative(y=by, animate=False)

    def action_turn(self) -> None:
        (self.preview if self.box.has_focus else self.box).focus()

    def action_step_back(self) -> None:
        if not self.box.has_focus:
            self.box.focus()
        elif self.box.value:
            self.box.value = ""
        else:
            self.exit()

    def action_help(self) -> None:
        self.push_screen(Help())

    def action_interrupt(self) -> None:
        self.interrupted = True
        self.exit()

    def action_mode(self) -> None:
        modes = _MODES if self._asked["mode"] in _MODES else (self._asked["mode"], *_MODES)
        self._asked["mode"] = modes[(modes.index(self._asked["mode"]) + 1) % len(modes)]
        self._search()
        self._tell()

    def action_group(self) -> None:
        self._asked["group"] = GROUPS[1 - GROUPS.index(self._asked["group"])]
        self._search()
        self._tell()

    def action_time(self) -> None:
        times = list(_TIMES)
        since = self._asked.get("since") or ""
        at = times.index(since) if since in times else len(times) - 1
        self._asked["since"] = times[(at + 1) % len(times)]
        self._search()
        self._tell()

    def action_type(self) -> None:
        if hit := self.hits.hit:
            self._turn_filter("type:", hit.type)

    def action_folder(self) -> None:
        if (hit := self.hits.hit) and (folder := os.path.dirname(hit.path)):
            self._turn_filter("path:", f'"{folder}"' if " " in folder else folder)

    def _turn_filter(self, name: str, value: str) -> None:
        """Puts a filter in the query, in its own language; takes it out where it is there."""
        words = self.box.value
        without = words.replace(f" {name}{value}", "").removeprefix(f"{name}{value}").lstrip()
        self.box.value = without if without != words else f"{words} {name}{value}"
        self.box.cursor_position = len(self.box.value)

    def action_copy(self) -> None:
        if hit := self.hits.hit:
            self.copy_to_clipboard(clean(place(hit)))
            self._write(f"copied {place(hit)}")

    def action_open(self) -> None:
        hit = self.hits.hit
        if hit is None:
            return
        locations = self._operations.locations
        target = place_of(hit, hit.page, hit.sentence_lines()[0], locations[0] if len(locations) == 1 else "")
        wrong = ""
        with self.suspend(), contextlib.redirect_stdout(self._streams[0]), contextlib.redirect_stderr(self._streams[1]):
            try:
                open_place(target)
            except SemsearchError as error:
                wrong = f"{error.message}{f' ({error.hint})' if error.hint else ''}"
        if wrong:
            self._tell(wrong)
        else:
            self._write(f"opened {place(hit)}")

    # -- the end -----------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        """Ends it because of a signal, at the latest when there was time to leave the terminal as it was."""
        import threading

        timer = threading.Timer(_END_SECONDS, os._exit, (EXIT_CODE,))
        timer.daemon = True
        timer.start()
        self.action_interrupt()

    def _fatal_error(self) -> None:
        # Textual would print the values of variables, which hold text of documents.
        self.failure = self._exception
        self._close_messages_no_wait()


class _Query(Input):
    """The box; in an empty one a question mark asks for help. Lines that are pasted become one."""

    def _on_paste(self, event: Paste) -> None:
        lines = event.text.splitlines()
        if len(lines) > 1:  # of which the handler of `Input`, which comes next, takes the first alone
            event.text = " ".join(filter(None, map(str.strip, lines)))

    async def _on_key(self, event: Any) -> None:
        if event.key == "question_mark" and not self.value:
            event.stop()
            event.prevent_default()
            self.app.action_help()  # type: ignore[attr-defined]
            return
        await super()._on_key(event)


def _around(hit: Hit) -> dict[str, Any]:
    """The parameters of `passage` for what is shown around `hit`."""
    lines: dict[str, Any] = {"limit": _MOST_LINES}
    if hit.line_start is not None:
        lines |= {"lines": f"{hit.line_start}-{hit.line_end or hit.line_start}", "context": _LINES_AROUND}
    elif hit.page is not None:
        lines |= {"page": str(hit.page), "context": _LINES_OF_PAGE_AROUND}
    return PASSAGE.checked({"path": hit.path, **lines})
