"""`browse`: search as you type in a terminal.

Pictures of the screen, as text, are in `screens`; SEMSEARCH_TEST_SCREENS=write makes them anew.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from semsearch.indexing import IndexOptions, index_folders
from tests.support.commands import Command, hear_signals, one_line_error
from tests.support.folders import PROJECT, write
from tests.support.terminal import HOSTILE

pytest.importorskip("textual")
from textual.events import Paste
from textual.pilot import Pilot

from semsearch.cli.browser.app import Browser
from semsearch.service.operations import Operations

SCREENS = Path(__file__).parent / "screens"
ASKED = {"mode": "hybrid", "group": "chunk"}
TEXTS = {
    "boats.md": "# Boats\n\n" + "".join(f"Line {number} of waiting.\n" for number in range(60))
    + "\nThe otter sleeps in a blue boat [bold]by the river[/bold].\n\n## After\n\nRain came.\n",
    "mail/permit.txt": "The permit is renewed in the harbour office every March.\n",
    "wide.txt": "漢字の川でカワウソが眠る。otter 眠る。\nשלום otter עולם\n",
    "long.txt": "word " * 3_000 + "ocelot " + "word " * 3_000 + "\n",
    f"odd {HOSTILE}.md": f"# Odd {HOSTILE}\n\nThe ferret {HOSTILE} hides [link=x]here[/link].\n",
}  # fmt: skip

Act = Callable[[Browser, "Pilot[None]"], Awaitable[None]]


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browse") / "docs"
    write(folder, TEXTS)
    index_folders([str(folder)], None, IndexOptions(model="static"))
    return folder


@pytest.fixture(autouse=True)
def in_folder(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(docs)


def drive(act: Act, folders: list[Path], query: str = "", size: tuple[int, int] = (80, 24)) -> None:
    """Runs the real screen over the indexes of `folders`, and `act` on it."""

    async def run() -> None:
        operations = Operations([str(folder / ".semsearch") for folder in folders])
        browser = Browser(operations, query, ASKED)
        try:
            async with browser.run_test(size=size) as pilot:
                await act(browser, pilot)
        finally:
            operations.close()

    asyncio.run(run())


async def until(pilot: "Pilot[None]", holds: Callable[[], object]) -> None:
    """Waits until `holds`."""
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end, screen(pilot)
        await pilot.pause(0.01)
    await pilot.pause()


def screen(pilot: "Pilot[None]") -> str:
    """What is on the screen, as text."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(one.text for one in strip).rstrip() for strip in strips) + "\n"


async def find(browser: Browser, pilot: "Pilot[None]", query: str, shown: str) -> None:
    """Types `query`, and waits until a hit in `shown` is the first, with its preview."""
    browser.box.value = ""
    await pilot.press(*("space" if letter == " " else letter for letter in query))
    await until(pilot, lambda: first(browser).endswith(shown) and not browser.is_searching)
    await until(pilot, lambda: f"─{shown}" in screen(pilot) or shown in screen(pilot).split("\n")[10])


def first(browser: Browser) -> str:
    hit = browser.hits.hit
    return hit.path if hit and browser.found and browser.found.query == browser.box.value else ""


# -- searching -------------------------------------------------------------------------------------------------------


def test_results_come_as_you_type_and_the_newest_query_wins(docs: Path) -> None:
    async def act(browser: Browser, pilot: "Pilot[None]") -> None:
        await find(browser, pilot, "renew permit", "permit.txt")
        await find(browser, pilot, "otter boat", "boats.md")
        assert browser.found and browser.found.query == "otter boat"
        await until(pilot, lambda: "The otter sleeps in a blue boat [bold]by the river" in screen(pilot))
        assert "64 ▎ The otter" in screen(pilot), "with the number of its line"
        await pilot.press("escape")
        await until(pilot, lambda: not browser.hits.hits)
        assert browser.is_running and browser.box.value == ""
        await pilot.press("escape")
        await until(pilot, lambda: not browser.is_running)

    drive(act, [docs])


def test_the_keys_of_a_search(docs: Path) -> None:
    async def act(browser: Browser, pilot: "Pilot[None]") -> None:
        await until(pilot, lambda: first(browser) == "boats.md")
        await pilot.press("ctrl+t")
        await until(pilot, lambda: browser.found and browser.found.mode == "lexical")
        await pilot.press("ctrl+t")
        await until(pilot, lambda: browser.found and browser.found.mode == "dense")
        await pilot.press("ctrl+t", "ctrl+g")
        await until(pilot, lambda: "by file" in screen(pilot) and not browser.is_searching)
        paths = [hit.path for hit in browser.hits.hits]
        assert len(paths) == len(set(paths)) > 1
        await pilot.press("f2")
        await until(pilot, lambda: browser.box.value == "otter boat type:markdown" and not browser.is_searching)
        assert {hit.type for hit in browser.hits.hits} == {"markdown"}
        await pilot.press("f2", "f4")
        assert browser.box.value == "otter boat" and "last week" in screen(pilot)
        await pilot.press("f1")
        await until(pilot, lambda: "Ctrl-Y" in screen(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: "Ctrl-Y" not in screen(pilot))
        assert browser.box.value == "otter boat"

    drive(act, [docs], "otter boat")


def test_choosing_and_scrolling(docs: Path) -> None:
    async def act(browser: Browser, pilot: "Pilot[None]") -> None:
        await until(pilot, lambda: first(browser) == "boats.md" and "64 ▎ The otter" in screen(pilot))
        await pilot.press("down")
        assert browser.hits.chosen == 1
        await pilot.press("ctrl+n", "ctrl+p", "up", "up", "up")
        assert browser.hits.chosen == 0, "the first has none above it"
        await until(pilot, lambda: "64 ▎ The otter" in screen(pilot))
        before = browser.preview.scroll_offset.y
        await pilot.press("shift+up", "shift+up")
        assert browser.preview.scroll_offset.y == before - 2
        await pilot.press("tab", "g")
        await until(pilot, lambda: browser.preview.scroll_offset.y == 0)
        assert " 1 ▎ # Boats" in screen(pilot)
        await pilot.press("escape", "!")
        assert browser.box.value == "otter boat!"

    drive(act, [docs], "otter boat")


def test_copies_the_place(docs: Path) -> None:
    async def act(browser: Browser, pilot: "Pilot[None]") -> None:
        await until(pilot, lambda: first(browser) == "boats.md")
        await pilot.press("ctrl+y")
        assert browser.clipboard == "boats.md:64" and "copied boats.md:64" in screen(pilot)

    drive(act, [docs], "otter boat")


@pytest.mark.parametrize("query", ["-", '"', "path:", "\\", "[bold]x", "type:pdf", "otter\u202e\u200b", "(" * 9_000])
def test_any_query_may_be_typed(docs: Path, query: str) -> None:
    async def act(browser: Browser, pilot: "Pilot[None]") -> None:
        await until(pilot, lambda: not browser.is_searching)
        await find(browser, pilot, "otter boat", "boats.md")

    drive(act, [docs], query)


def test_all_lines_of_what_is_pasted_are_searched(docs: Path) -> None:
    async def act(browser: Browser, pilot: "Pilot[None]") -> None:
        browser.box.post_message(Paste("otter\r\n  sleeps\n\nboat\n"))
        await until(pilot, lambda: browser.box.value == "otter sleeps boat")
        browser.box.post_message(Paste(" in\tblue"))
        await until(pilot, lambda: browser.box.value == "otter sleeps boat in\tblue")

    drive(act, [docs])


def test_a_long_message_is_shown_to_its_end(docs: Path) -> None:
    async def act(browser: Browser, pilot: "Pilot[None]") -> None:
        message = "nothing here opens " + "/a/long/path" * 20 + " (the last word)"
        browser._tell(message)
        await until(pilot, lambda: "last word)" in screen(pilot))

    drive(act, [docs])


def test_why_nothing_is_found_is_told_to_its_end(docs: Path) -> None:
    async def act(browser: Browser, pilot: "Pilot[None]") -> None:
        await until(pilot, lambda: browser.found and not browser.found.hits)
        assert browser.found and browser.found.notices
        last = browser.found.notices[-1].split()[-1]
        assert last in screen(pilot), browser.found.notices

    drive(act, [docs], "quixotic zeppelin type:toml")


def test_a_joined_passage_of_a_pdf_is_marked_in_all_its_parts(tmp_path: Path) -> None:
    (tmp_path / "survey").mkdir()
    shutil.copy(PROJECT / "sample_docs/operations/site-survey.pdf", tmp_path / "survey")
    index_folders([str(tmp_path / "survey")], None, IndexOptions(model="static"))

    async def act(browser: Browser, pilot: "Pilot[None]") -> None:
        await pilot.press("ctrl+t")  # by words
        await until(pilot, lambda: "▎ Forecast of the yield" in screen(pilot))
        assert browser.hits.hit and "wildlife" in browser.hits.hit.text, "two pages are one hit"
        await pilot.press(*["shift+up"] * 5)
        assert "▎ Underwater sound" in screen(pilot)

    drive(act, [tmp_path / "survey"], "fourth turbine niche seals")


def test_wide_long_and_right_to_left(docs: Path) -> None:
    async def act(browser: Browser, pilot: "Pilot[None]") -> None:
        await find(browser, pilot, "カワウソ", "wide.txt")
        await until(pilot, lambda: "漢字の川" in screen(pilot) and "שלום" in screen(pilot))
        await find(browser, pilot, "ocelot", "long.txt")
        await until(pilot, lambda: "ocelot" in "".join(screen(pilot).split("\n")[11:]))

    drive(act, [docs])


def test_several_indexes_and_paths_that_open(docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    write(other, {"badger.md": "# Badger\n\nThe badger digs.\n"})
    index_folders([str(other)], None, IndexOptions(model="static"))
    monkeypatch.chdir(tmp_path)

    async def act(browser: Browser, pilot: "Pilot[None]") -> None:
        await until(pilot, lambda: first(browser).endswith("badger.md"))
        await until(pilot, lambda: "─other/badger.md:3" in screen(pilot) and "3 ▎ The badger digs." in screen(pilot))

    drive(act, [docs, other], "badger digs")


# -- the index meanwhile ---------------------------------------------------------------------------------------------


def test_an_index_that_changes_goes_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "docs"
    write(folder, {"a.md": "# A\n\nThe heron stands.\n"})
    index_folders([str(folder)], None, IndexOptions(model="static"))
    monkeypatch.chdir(folder)

    async def act(browser: Browser, pilot: "Pilot[None]") -> None:
        await until(pilot, lambda: first(browser) == "a.md")
        write(folder, {"b.md": "# B\n\nA second heron flies.\n"})
        await asyncio.to_thread(index_folders, [str(folder)], None, IndexOptions(model="static"))
        await pilot.press("f5")
        await until(pilot, lambda: {hit.path for hit in browser.hits.hits} == {"a.md", "b.md"})
        (folder / ".semsearch").rename(tmp_path / "aside")
        await pilot.press("f5")
        await until(pilot, lambda: browser.trouble)
        (tmp_path / "aside").rename(folder / ".semsearch")
        await until(pilot, lambda: not browser.trouble and "2 found" in screen(pilot))
        catalog = folder / ".semsearch" / "catalog.db"
        shutil.copy(catalog, tmp_path / "whole")
        catalog.write_bytes(b"no more" * 10_000)
        await pilot.press("f5")
        await until(pilot, lambda: browser.trouble)
        shutil.copy(tmp_path / "whole", catalog)
        await until(pilot, lambda: not browser.trouble and "2 found" in screen(pilot))

    drive(act, [folder], "heron")


def test_an_empty_index_and_nothing_found(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    index_folders([str(tmp_path / "empty")], None, IndexOptions(model="static"))

    async def act(browser: Browser, pilot: "Pilot[None]") -> None:
        await until(pilot, lambda: "nothing found" in screen(pilot))
        await pilot.press("down", "pagedown", "enter", "ctrl+y", "f2", "f3", "tab", "tab")
        assert browser.is_running

    drive(act, [tmp_path / "empty"], "heron")


def test_more_hits_come_at_the_end_of_the_list(tmp_path: Path) -> None:
    write(tmp_path / "many", {f"{number}.txt": f"Heron {number}.\n" for number in range(130)})
    index_folders([str(tmp_path / "many")], None, IndexOptions(model="static"))

    async def act(browser: Browser, pilot: "Pilot[None]") -> None:
        await pilot.press("ctrl+t")
        await until(pilot, lambda: len(browser.hits.hits) == 50 and "50+ found" in screen(pilot))
        for _ in range(40):
            await pilot.press("pagedown")
        await until(pilot, lambda: len(browser.hits.hits) > 100)
        assert len({hit.path for hit in browser.hits.hits}) == len(browser.hits.hits)

    drive(act, [tmp_path / "many"], "heron")


# -- what is on the screen -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
@pytest.mark.parametrize("name", ["found", "hostile", "help", "nothing"])
def test_the_screen(docs: Path, name: str, size: tuple[int, int]) -> None:
    query = {"found": "otter boat", "hostile": "ferret hides", "help": "otter boat", "nothing": ""}[name]
    seen = {"found": "▎", "hostile": "▎ The ferret", "help": "▎", "nothing": "lexical"}[name]

    async def act(browser: Browser, pilot: "Pilot[None]") -> None:
        await pilot.press("ctrl+t")  # by words: scores by meaning may be others on other machines
        await until(pilot, lambda: seen in screen(pilot) and not browser.is_searching and "lexical" in screen(pilot))
        if name == "help":
            await pilot.press("f1")
            await until(pilot, lambda: "Ctrl-Y" in screen(pilot))
        found = screen(pilot)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\ufeff]", found)
        file = SCREENS / f"{name}-{size[0]}x{size[1]}.txt"
        if os.environ.get("SEMSEARCH_TEST_SCREENS") == "write":
            file.write_text(found)
        assert found == file.read_text()

    drive(act, [docs], query, size)


def test_the_screen_follows_its_size(docs: Path) -> None:
    async def act(browser: Browser, pilot: "Pilot[None]") -> None:
        await until(pilot, lambda: "64 ▎ The otter" in screen(pilot))
        for width, height in ((160, 50), (30, 8), (80, 24)):
            await pilot.resize_terminal(width, height)
            await until(pilot, lambda width=width: browser.hits.rows == (2 if width >= 110 else 1))
            lines = screen(pilot).split("\n")
            assert "boats.md" in "".join(lines)

    drive(act, [docs], "otter boat")


def test_no_colour(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def act(browser: Browser, pilot: "Pilot[None]") -> None:
        await until(pilot, lambda: "64 ▎ The otter" in screen(pilot))
        strips = pilot.app.screen._compositor.render_strips()
        styles = [segment.style for line in strips for strip in line for segment in [strip] if hasattr(strip, "style")]
        assert all(style is None or style.color is None or style.color.is_default for style in styles)
        assert any(style and style.bold for style in styles) and any(style and style.reverse for style in styles)

    drive(act, [docs], "otter boat")


# -- the command -----------------------------------------------------------------------------------------------------


def started(docs: Path, *arguments: str, **environment: str) -> "object":
    pexpect = pytest.importorskip("pexpect")
    variables = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "VISUAL", "EDITOR")}
    return pexpect.spawn(
        "/bin/sh",
        ["-c", '"$@"; echo "ended with $?"; stty -a', "sh", sys.executable, "-m", "semsearch", "browse", *arguments],
        cwd=str(docs), dimensions=(24, 80), timeout=60, encoding=None,
        env={**variables, "PYTHONPATH": str(PROJECT), "TERM": "xterm-256color", **environment},
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("keys", "code"), [(b"\x11", b"0"), (b"\x03", b"130")])
def test_in_a_terminal(docs: Path, tmp_path: Path, keys: bytes, code: bytes) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho "edits $1 $2"\n')
    editor.chmod(0o700)
    child = started(docs, "otter boat", VISUAL=str(editor))
    child.expect(b"found")  # type: ignore[attr-defined]
    child.send(b"\r")  # type: ignore[attr-defined]
    child.expect(rb"edits \+64 [^\r]*boats.md")  # type: ignore[attr-defined]
    child.expect(b"opened")  # type: ignore[attr-defined]
    child.send(b"\x19")  # type: ignore[attr-defined]
    child.expect(rb"\x1b\]52;c;")  # type: ignore[attr-defined]
    child.send(keys)  # type: ignore[attr-defined]
    child.expect(rb"\x1b\[\?1049l.*\x1b\[\?25h.*ended with " + code)  # type: ignore[attr-defined]
    rest = child.read()  # type: ignore[attr-defined]
    for mode in (b"icanon", b"echo", b"isig"):
        assert re.search(rb"(?<!-)\b" + mode + rb"\b", rest), "the terminal is as it was"


@pytest.mark.slow
def test_documents_do_not_control_the_terminal(docs: Path) -> None:
    child = started(docs, "ferret hides")
    child.expect(b"found(?s:.*)hides")  # type: ignore[attr-defined]
    arrived = child.before + child.after  # type: ignore[attr-defined]
    child.send(b"\x11")  # type: ignore[attr-defined]
    arrived += child.read()  # type: ignore[attr-defined]
    text = arrived.decode()
    assert "hid" in text
    assert not re.search("\x1b\\]0;owned|\x1b\\[8m|\x1b\\[5A|[\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_leave_the_terminal_as_it_was(docs: Path, number: signal.Signals) -> None:
    pexpect = pytest.importorskip("pexpect")
    child = pexpect.spawn(
        sys.executable, ["-m", "semsearch", "browse", "otter"], cwd=str(docs), dimensions=(24, 80), timeout=60,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "TERM": "xterm-256color"}, ignore_sighup=False,
        preexec_fn=hear_signals,
    )  # fmt: skip
    child.expect("found")
    child.kill(number)
    child.expect(rb"\x1b\[\?1049l.*interrupted")
    child.read()
    child.close()
    assert child.exitstatus == 130


@pytest.mark.slow
def test_the_whole_screen_is_there_again_after_it_was_suspended(docs: Path) -> None:
    pexpect = pytest.importorskip("pexpect")
    psutil = pytest.importorskip("psutil")
    child = pexpect.spawn(
        sys.executable, ["-m", "semsearch", "browse", "otter"], cwd=str(docs), dimensions=(24, 80), timeout=60,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "TERM": "xterm-256color"},
    )  # fmt: skip
    child.expect("found")
    child.send(b"\x1a")
    child.expect(rb"\x1b\[\?1049l")
    end = time.monotonic() + 60
    while psutil.Process(child.pid).status() != psutil.STATUS_STOPPED:
        assert time.monotonic() < end
        time.sleep(0.01)
    child.kill(signal.SIGCONT)
    child.expect(rb"\x1b\[\?1049h")
    for shown in ("❯", "otter", "found", "Back"):
        child.expect(shown.encode())
    child.send(b"\x11")
    child.read()
    child.close()
    assert child.exitstatus == 0


def test_without_a_terminal(semsearch: Command) -> None:
    done = semsearch("browse", "otter")
    assert done.code == 2 and "needs a terminal" in one_line_error(done.err)


def test_without_the_package(docs: Path) -> None:
    pexpect = pytest.importorskip("pexpect")
    program = (
        "import sys, importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'textual' else find(name, *rest)\n"
        "sys.argv = ['semsearch', 'browse']\nfrom semsearch.cli import main; main()"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "TERM": "xterm"}
    said = pexpect.spawn(sys.executable, ["-c", program], env=environment, timeout=60).read().decode()
    assert "pip install 'semsearch[tui]'" in said and "Traceback" not in said


def test_a_search_imports_no_textual() -> None:
    program = "import sys, semsearch.cli.app; print([name for name in sys.modules if name.startswith('textual')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
