"""All keys, on a screen of their own."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

HELP = """\
Results
  Up Down, Ctrl-P Ctrl-N   the result above, below
  PgUp PgDn                a page of results up, down
  Enter                    open in $VISUAL or $EDITOR at the line,
                           a PDF in the viewer
  Ctrl-Y                   copy the place, path:line
Preview
  Shift-Up Shift-Down      scroll a line
  Tab                      go there: Up, Down, PgUp, PgDn, Space,
                           j, k, g, G scroll; Tab or Esc goes back
Search
  Ctrl-T                   meaning and words, words, meaning
  Ctrl-G                   one result a passage, or a file
  F2                       only the type of the chosen file
  F3                       only the folder of the chosen file
  F4                       only the last week, month, year
  F5                       search again, as files were indexed
  Esc                      back: clear the query, then quit
  Ctrl-Q, Ctrl-C, Ctrl-Z   quit, quit with 130, suspend
Query
  "a phrase"  -without  -"a phrase"  begin*
  type:pdf  path:notes/2024  title:report  -type:md
"""


class Help(ModalScreen[None]):
    """What each key does, and what a query may hold."""

    DEFAULT_CSS = """
    Help { align: center middle; background: transparent; }
    Help VerticalScroll { width: 72; max-width: 100%; height: auto; max-height: 100%; border: round ansi_blue;
                          padding: 0 1; background: ansi_default; scrollbar-size-vertical: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f1,question_mark,q,enter", "dismiss", show=False)]

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(Text(HELP.rstrip()))
